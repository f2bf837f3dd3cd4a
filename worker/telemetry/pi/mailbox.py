"""The probe of the firmware by /dev/vcio, the mailbox property interface: one ioctl per request, no process.

A message is a sequence of 32-bit words: its size in bytes, a status, then a tag (its number, the size of its value in bytes, a
word that is 0 in a request, the value), and a 0 (github.com/raspberrypi/firmware/wiki/Mailbox-property-interface; the
kernel's side is drivers/char/broadcom/vcio.c). The kernel gives up on a firmware that does not answer after 1 s.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

from worker.telemetry.pi.firmware import Firmware, ProbeError, from_throttled, plausible_c, plausible_hz

GET_TEMPERATURE = 0x00030006
GET_THROTTLED = 0x00030046
"""Its value is a mask of the "has occurred" bits to clear: 0 leaves them to whoever else reads them."""
GET_CLOCK_RATE_MEASURED = 0x00030047
ARM_CLOCK = 3
SUCCESS = 0x80000000
ANSWERED = 0x80000000
_HEADER_WORDS = 5

Ioctl = Callable[[int, int, bytearray], int]


def ioctl_number(pointer_bytes: int = struct.calcsize("P")) -> int:
    """`_IOWR(100, 0, char *)`, which depends on the size of a pointer."""
    return 3 << 30 | pointer_bytes << 16 | 100 << 8


def request(tag: int, *values: int) -> bytearray:
    """The message of a request for `tag` with these values, whose room the answer uses."""
    size = 4 * len(values)
    return bytearray(struct.pack(f"<{_HEADER_WORDS + len(values) + 1}I", 24 + size, 0, tag, size, 0, *values, 0))


def answer(message: bytes | bytearray, tag: int, count: int) -> tuple[int, ...]:
    """The first `count` values of an answer to `tag`. Raises ProbeError for any other message."""
    if len(message) < 4 * (_HEADER_WORDS + count):
        raise ProbeError(f"the answer to {tag:#010x} is too short")
    _, status, answered, _, length = struct.unpack_from("<5I", message)
    if status != SUCCESS or answered != tag or not length & ANSWERED or length & ~ANSWERED < 4 * count:
        raise ProbeError(f"the firmware does not know {tag:#010x}")
    return struct.unpack_from(f"<{count}I", message, 4 * _HEADER_WORDS)


class Mailbox:
    """The firmware behind /dev/vcio, which the group `video` may open."""

    def __init__(self, device: Path, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._device = device
        self._ioctl = ioctl
        self._number = ioctl_number()
        self._descriptor = -1

    def read(self, now_s: float) -> Firmware:
        """The firmware's state; clock and temperature are None where it does not know them. Raises ProbeError."""
        del now_s
        (throttled,) = self._request(GET_THROTTLED, 0)
        conditions, occurred = from_throttled(throttled)
        return Firmware(conditions, occurred, self._clock_hz(), self._temperature_c())

    def _clock_hz(self) -> float | None:
        try:
            clock, rate_hz = self._request(GET_CLOCK_RATE_MEASURED, ARM_CLOCK, 0)
        except ProbeError:
            return None
        return plausible_hz(rate_hz) if clock == ARM_CLOCK else None

    def _temperature_c(self) -> float | None:
        try:
            sensor, millidegrees = self._request(GET_TEMPERATURE, 0, 0)
        except ProbeError:
            return None
        return plausible_c(millidegrees / 1000) if sensor == 0 else None

    def _request(self, tag: int, *values: int) -> tuple[int, ...]:
        message = request(tag, *values)
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._device, os.O_RDONLY | os.O_CLOEXEC)
            self._ioctl(self._descriptor, self._number, message)
        except OSError as error:
            raise ProbeError(f"{self._device}: {error.strerror}") from None
        return answer(message, tag, len(values))

    def close(self) -> None:
        """Close the device; the next `read` opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
