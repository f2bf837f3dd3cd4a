"""A sleep that ends by a kernel timer is never too short, nor does an alarm ring too early; other greenlets run meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from worker.load.process.timerfd import Alarm, LoopAlarm, exact_alarm, exact_sleep


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e-9, 0.0004, 0.0301, 1.02])
def test_a_sleep_is_never_shorter_than_asked_for(seconds: float) -> None:
    begun_s = time.monotonic()
    exact_sleep()(seconds)
    assert time.monotonic() - begun_s >= seconds


def test_the_same_alarm_serves_again_and_the_loop_runs_meanwhile() -> None:
    sleep, steps = exact_sleep(), []

    def slumber() -> None:
        for number in range(3):
            steps.append(number)
            sleep(0.02)

    sleeper = gevent.spawn(slumber)
    gevent.sleep(0.005)
    assert steps == [0]
    sleeper.join(5)
    assert steps == [0, 1, 2]


def test_a_sleeper_can_be_killed() -> None:
    sleeper = gevent.spawn(exact_sleep(), 3600.0)
    gevent.sleep(0)
    sleeper.kill(timeout=5)
    assert sleeper.dead


@pytest.mark.parametrize("make", [exact_alarm, LoopAlarm])
def test_an_alarm_rings_when_it_is_time_and_not_before(make: Callable[[Callable[[], None]], Alarm]) -> None:
    """A time that is past is now; what was set before is void, and so is all when nothing is set."""
    rung_s: list[float] = []
    rung = Event()

    def ring() -> None:
        rung_s.append(time.monotonic())
        alarm.set(None)
        rung.set()

    alarm = make(ring)
    alarm.set(time.monotonic() + 3600.0)
    due_s = time.monotonic() + 0.02
    alarm.set(due_s)
    assert rung.wait(20)
    assert rung_s[0] >= due_s - 0.000_01
    rung.clear()
    alarm.set(0.0)
    assert rung.wait(20)
    alarm.set(0.0)
    alarm.set(None)
    rung.clear()
    assert not rung.wait(0.05)
    assert len(rung_s) == 2
