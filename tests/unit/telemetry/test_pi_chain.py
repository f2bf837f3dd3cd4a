"""The choice among the probes of a Pi's firmware, with played answers and time as a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from worker.telemetry.conditions import THROTTLED, UNDER_VOLTAGE, flag_state, pack_flags
from worker.telemetry.pi.chain import MAX_FAILURES, NOTHING, RETRY_S, ProbeChain, chain_for
from worker.telemetry.pi.firmware import Firmware, ProbeError
from worker.telemetry.pi.mailbox import Mailbox
from worker.telemetry.pi.sysfs import Sysfs
from worker.telemetry.pi.vcgencmd import Vcgencmd


class PlayedProbe:
    """A probe with a given answer; `works` is None while the answer is awaited, and False for a ProbeError."""

    def __init__(self, clock_hz: float, *, works: bool = True) -> None:
        self.answer = Firmware(pack_flags(0), 0, clock_hz)
        self.works: bool | None = works
        self.asked = 0
        self.closed = 0

    def read(self, now_s: float) -> Firmware | None:
        del now_s
        self.asked += 1
        if self.works is False:
            raise ProbeError("played")
        return self.answer if self.works else None

    def close(self) -> None:
        self.closed += 1


def probes(*works: bool) -> list[PlayedProbe]:
    return [PlayedProbe(1e9 + index, works=each) for index, each in enumerate(works)]


def asked(all_probes: Sequence[PlayedProbe]) -> list[int]:
    return [probe.asked for probe in all_probes]


@pytest.mark.parametrize(
    ("works", "answers", "times"),
    [
        ((True, True, True), 0, [3, 0, 0]),
        ((False, True, True), 1, [1, 3, 0]),
        ((False, False, True), 2, [1, 1, 3]),
        ((False, False, False), None, [1, 1, 1]),
    ],
)
def test_the_first_that_answers_is_asked_from_then_on(
    works: tuple[bool, ...], answers: int | None, times: list[int]
) -> None:
    """The first probe that answers is asked from then on, and those before it are not tried again."""
    each = probes(*works)
    chain = ProbeChain(each)
    for now_s in range(3):
        assert chain.read(now_s) == (NOTHING if answers is None else each[answers].answer)
    assert asked(each) == times


def test_one_that_has_answered_may_fail_now_and_then() -> None:
    """A probe that has answered may fail sometimes: the reading is unknown then, and no other probe is asked."""
    each = probes(True, True)
    chain = ProbeChain(each)
    chain.read(0)
    for now_s in range(10):
        for _ in range(MAX_FAILURES - 1):
            each[0].works = False
            assert chain.read(now_s) == NOTHING
        each[0].works = True
        assert chain.read(now_s) == each[0].answer
    assert asked(each)[1] == 0


def test_one_that_fails_again_and_again_is_given_up_and_the_others_are_tried_from_the_first() -> None:
    """A probe that fails repeatedly is given up, and in the same reading the others are tried from the first one on."""
    each = probes(False, True, True)
    chain = ProbeChain(each)
    chain.read(0)
    each[0].works, each[1].works = True, False
    found = [chain.read(now_s) for now_s in range(1, MAX_FAILURES + 1)]
    assert found == [NOTHING] * (MAX_FAILURES - 1) + [each[0].answer]
    assert each[1].closed == 1


def test_an_answer_that_is_awaited_is_no_failure() -> None:
    """An awaited answer is no failure: readings are unknown until the probe answers or gives up by its own limit."""
    each = probes(False, True, True)
    each[1].works = None
    chain = ProbeChain(each)
    assert [chain.read(now_s) for now_s in range(5)] == [NOTHING] * 5
    each[1].works = False
    assert chain.read(5) == each[2].answer


def test_when_none_works_all_are_tried_again_after_a_rest() -> None:
    """When no probe works, all are tried again after a rest, and not at every sample, which would be costly."""
    each = probes(False, False)
    chain = ProbeChain(each)
    chain.read(100)
    each[0].works = True
    assert chain.read(100 + RETRY_S - 1) == NOTHING
    assert asked(each) == [1, 1]
    assert chain.read(100 + RETRY_S) == each[0].answer


def test_boards_that_do_not_report_under_voltage_are_not_said_to_have_none() -> None:
    """A board that does not report under-voltage has it unknown, unless its firmware reports one."""
    (probe,) = probes(True)
    chain = ProbeChain([probe], reports_under_voltage=False)
    assert flag_state(chain.read(0).conditions, UNDER_VOLTAGE) is None
    assert flag_state(chain.read(0).conditions, THROTTLED) is False
    probe.answer = Firmware(pack_flags(UNDER_VOLTAGE))
    assert chain.read(0).conditions == pack_flags(UNDER_VOLTAGE)


def test_what_is_no_pi_is_asked_nothing(tmp_path: Path) -> None:
    """A machine that is no Pi is asked nothing, since a program named vcgencmd could be anything there."""
    program = tmp_path / "usr/bin/vcgencmd"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    program.chmod(0o755)
    assert chain_for("x86_64", tmp_path).read(0) == NOTHING
    assert chain_for("Orange Pi 5", tmp_path).read(0) == NOTHING
    assert not (tmp_path / "was-run").exists()


def test_a_pi_is_asked_by_its_device_first_then_by_the_program_then_by_files(tmp_path: Path) -> None:
    """A Pi's mailbox comes first, as cheap and complete, then vcgencmd, which costs more, then the files, which lack most."""
    chain = chain_for("Raspberry Pi 5 Model B Rev 1.0", tmp_path)
    assert [type(probe) for probe in chain._probes] == [Mailbox, Vcgencmd, Sysfs]


def test_without_any_probe_nothing_is_known() -> None:
    """Without any probe all readings are unknown, and closing the chain is harmless."""
    chain = ProbeChain(())
    assert [chain.read(now_s) for now_s in (0, RETRY_S, 2 * RETRY_S)] == [NOTHING] * 3
    chain.close()
