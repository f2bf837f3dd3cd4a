"""A sleep that ends by a kernel timer is never too short, and other greenlets run meanwhile."""

from __future__ import annotations

import time

import gevent
import pytest

from worker.load.process.timerfd import exact_sleep


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
