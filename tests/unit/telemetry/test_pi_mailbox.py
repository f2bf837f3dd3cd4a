"""The mailbox property interface: the words of its messages, and its failures."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.telemetry.conditions import THROTTLED, UNDER_VOLTAGE, pack_flags
from worker.telemetry.pi.firmware import Firmware, ProbeError
from worker.telemetry.pi.mailbox import (
    GET_CLOCK_RATE_MEASURED,
    GET_TEMPERATURE,
    GET_THROTTLED,
    Mailbox,
    answer,
    ioctl_number,
    request,
)

WELL = {GET_THROTTLED: (0,), GET_CLOCK_RATE_MEASURED: (3, 1_500_345_728), GET_TEMPERATURE: (0, 43_329)}


class PlayedFirmware:
    """Firmware that answers messages as the real one does, and leaves unknown ones as they are."""

    def __init__(self, answers: dict[int, tuple[int, ...]]) -> None:
        self.answers = answers
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, descriptor: int, number: int, message: bytearray) -> int:
        os.fstat(descriptor)
        assert number == ioctl_number()
        size, status, tag, room, answered, *values = struct.unpack(f"<{len(message) // 4}I", message)
        assert values.pop() == 0
        assert (size, status, room, answered) == (len(message), 0, 4 * len(values), 0)
        self.asked.append((tag, *values))
        struct.pack_into("<I", message, 4, 0x80000000)
        if (found := self.answers.get(tag)) is not None:
            struct.pack_into(f"<{1 + len(found)}I", message, 16, 0x80000000 | 4 * len(found), *found)
        return 0


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "vcio"
    path.touch()
    return path


def test_the_request_number_depends_on_the_size_of_a_pointer() -> None:
    """The request number follows the kernel's macro, which gives 64-bit and 32-bit systems different ones."""
    assert (ioctl_number(8), ioctl_number(4)) == (0xC0086400, 0xC0046400)


def test_a_question_is_laid_out_as_the_firmware_wants_it() -> None:
    """A message has the little-endian words that the firmware expects: size, status, tag, room, 0, values, end."""
    assert request(GET_CLOCK_RATE_MEASURED, 3, 0).hex(" ", 4) == (
        "20000000 00000000 47000300 08000000 00000000 03000000 00000000 00000000"
    )


def test_a_board_says_how_it_is(device: Path) -> None:
    """The mailbox gives a board's conditions, clock and temperature, with a mask of 0 that clears no flags."""
    firmware = PlayedFirmware(WELL)
    assert Mailbox(device, firmware).read(0.0) == Firmware(pack_flags(0), 0, 1_500_345_728.0, 43.329)
    assert firmware.asked == [(GET_THROTTLED, 0), (GET_CLOCK_RATE_MEASURED, 3, 0), (GET_TEMPERATURE, 0, 0)]


def test_now_and_has_occurred_are_told_apart(device: Path) -> None:
    """Bits 0 to 3 are the conditions now, and bits 16 to 19 those that have occurred."""
    firmware = PlayedFirmware({**WELL, GET_THROTTLED: (0x50004,)})
    found = Mailbox(device, firmware).read(0.0)
    assert (found.conditions, found.occurred) == (pack_flags(THROTTLED), THROTTLED | UNDER_VOLTAGE)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param({GET_THROTTLED: (0,)}, (None, None), id="a firmware that knows neither"),
        pytest.param({**WELL, GET_CLOCK_RATE_MEASURED: (3, 0)}, (None, 43.329), id="a clock that stands still"),
        pytest.param({**WELL, GET_CLOCK_RATE_MEASURED: (4, 10**9)}, (None, 43.329), id="another clock"),
        pytest.param({**WELL, GET_TEMPERATURE: (0, 0xFFFFFFFF)}, (1_500_345_728.0, None), id="no temperature"),
    ],
)
def test_what_is_not_said_is_unknown(
    device: Path, answers: dict[int, tuple[int, ...]], expected: tuple[float | None, float | None]
) -> None:
    """A value that the firmware does not know is unknown, and the other values are read."""
    found = Mailbox(device, PlayedFirmware(answers)).read(0.0)
    assert (found.conditions, found.clock_hz, found.temperature_c) == (pack_flags(0), *expected)


def test_a_firmware_that_does_not_know_the_question_has_not_answered(device: Path) -> None:
    """A firmware that does not know the message is an error, as an answer of zeros would pass for no condition."""
    with pytest.raises(ProbeError, match="does not know 0x00030046"):
        Mailbox(device, PlayedFirmware({})).read(0.0)


@given(st.binary(max_size=64), st.integers(1, 3))
def test_garbage_is_no_answer(message: bytes, count: int) -> None:
    """Bytes are taken as an answer only if they answer the message that was sent."""
    try:
        values = answer(message, GET_THROTTLED, count)
    except ProbeError:
        return
    assert len(values) == count
    assert struct.unpack_from("<2I", message, 4) == (0x80000000, GET_THROTTLED)


@contextmanager
def anybody() -> Iterator[None]:
    """Run as a user with few rights, also where the tests are run by root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_who_may_not_open_the_device_learns_nothing(device: Path) -> None:
    """Without the right to open the device, as outside the group `video`, the probe fails with that reason."""
    device.chmod(0)
    with anybody(), pytest.raises(ProbeError, match=os.strerror(errno.EACCES)):
        Mailbox(device).read(0.0)


@pytest.mark.parametrize(("there", "number"), [(False, errno.ENOENT), (True, errno.ENOTTY)])
def test_what_is_no_device_says_nothing(device: Path, there: bool, number: int) -> None:
    """Without a device, or with a file in its place, the probe fails with the system's reason."""
    if not there:
        device.unlink()
    with pytest.raises(ProbeError, match=os.strerror(number)):
        Mailbox(device).read(0.0)


def test_after_closing_it_is_opened_again(device: Path) -> None:
    """A closed mailbox opens the device again when read, and no descriptor stays open."""
    before = psutil.Process().num_fds()
    mailbox = Mailbox(device, PlayedFirmware(WELL))
    for _ in range(3):
        assert mailbox.read(0.0).conditions == pack_flags(0)
        mailbox.close()
        mailbox.close()
    assert psutil.Process().num_fds() == before
