"""A node's worker processes are started again, at growing intervals, and how they ended is reported."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.agent import supervisor
from worker.agent.supervisor import (
    CRASH_LOOP_ENDS,
    MAX_WAIT_S,
    OUTPUT_INTERVAL_S,
    RECOVERED_AFTER_S,
    Backoff,
    Supervisor,
)
from worker.wire.messages import WorkerEnded, WorkerOutput, WorkerRecovered


@given(st.text(), st.lists(st.floats(0, 100), max_size=60))
def test_a_process_is_never_started_again_at_once_nor_after_more_than_half_a_minute(
    seed: str, lives_s: list[float]
) -> None:
    """A process is started again neither at once nor after more than half a minute, however often it ends."""
    backoff = Backoff(seed)
    for lived_s in lives_s:
        assert 0.25 <= backoff.after_end(lived_s) <= MAX_WAIT_S


def test_the_wait_doubles_until_the_process_stays() -> None:
    """The wait before a start doubles, within a jitter that no two processes share, until the process stays."""
    backoff = Backoff("pi1_0")
    waits_s = [backoff.after_end(1.0) for _ in range(4)]
    for wait_s, longest_s in zip(waits_s, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert longest_s / 2 <= wait_s <= longest_s
    assert backoff.crashing
    assert backoff.after_end(RECOVERED_AFTER_S) <= 0.5
    assert not backoff.crashing
    assert len({Backoff(f"pi{number}_0").after_end(1.0) for number in range(50)}) == 50


class Orders(msgspec.Struct):
    """Orders of no run: a worker that gets them ends at once."""

    nonsense: str = "x" * 10


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(supervisor, "STOP_GRACE_S", 0.1)
    kept = Supervisor()
    kept.set_workers({"pi1_0": Orders()})
    yield kept
    kept.stop()


def until(
    kept: Supervisor, enough: Callable[[list[WorkerEnded | WorkerRecovered]], bool]
) -> list[WorkerEnded | WorkerRecovered]:
    said: list[WorkerEnded | WorkerRecovered] = []
    deadline_s = time.monotonic() + 60
    while not enough(said):
        assert time.monotonic() < deadline_s, said
        said += (message for message in kept.poll(time.monotonic()) if not isinstance(message, WorkerOutput))
        time.sleep(0.01)
    return said


def test_a_worker_that_ends_again_and_again_is_told_with_its_last_words(crashing: Supervisor) -> None:
    """A worker that ends again and again is reported with its last output, from the third end on as crashing, and still started."""
    said = until(crashing, lambda said: len(said) == CRASH_LOOP_ENDS)
    assert all(isinstance(message, WorkerEnded) for message in said)
    assert [message.crashing for message in said if isinstance(message, WorkerEnded)] == [False] * (
        CRASH_LOOP_ENDS - 1
    ) + [True]
    for message in said:
        assert isinstance(message, WorkerEnded)
        assert message.worker == "pi1_0"
        assert message.how.startswith("exit status 1; msgspec.ValidationError: ")


def test_a_worker_that_ends_before_it_has_read_its_orders_is_told_of(
    crashing: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that ends before it has read its orders is reported; orders that could not be written raise nothing."""
    start = subprocess.Popen

    def start_and_wait(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = start(*words, **options)
        process.wait()
        return process

    monkeypatch.setattr(supervisor.sys, "executable", shutil.which("true"))
    monkeypatch.setattr(supervisor.subprocess, "Popen", start_and_wait)
    said = until(crashing, lambda said: len(said) == 2)
    assert all(isinstance(message, WorkerEnded) and message.how == "exit status 0" for message in said)


def test_a_killed_worker_is_told_by_its_signal(crashing: Supervisor) -> None:
    """A worker that was killed before it could say anything is reported with the signal."""
    while not crashing.pids:
        list(crashing.poll(time.monotonic()))
    os.kill(crashing.pids[0], signal.SIGKILL)
    (said,) = until(crashing, lambda said: len(said) == 1)
    assert isinstance(said, WorkerEnded)
    assert said.how == f"signal {signal.SIGKILL}"


def test_a_worker_is_mended_when_it_has_lived_for_a_while(
    crashing: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crashing worker that has lived for a while is reported as recovered, once."""
    until(crashing, lambda said: len(said) == CRASH_LOOP_ENDS)
    while not crashing.pids:
        list(crashing.poll(time.monotonic()))
    os.kill(crashing.pids[0], signal.SIGSTOP)  # so that it lives
    monkeypatch.setattr(supervisor, "RECOVERED_AFTER_S", 0.05)
    assert until(crashing, lambda said: len(said) == 1) == [WorkerRecovered("pi1_0")]
    assert list(crashing.poll(time.monotonic())) == []
    os.kill(crashing.pids[0], signal.SIGKILL)


def test_between_looks_there_is_time_until_something_is_due_of_itself(
    crashing: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor waits until something is due: the first start at once, output at intervals, the next start, a recovery."""
    now_s = time.monotonic()
    assert crashing.wait_s(now_s) == 0
    list(crashing.poll(now_s))
    assert crashing.wait_s(now_s) == OUTPUT_INTERVAL_S
    (ended,) = until(crashing, lambda said: len(said) == 1)
    assert isinstance(ended, WorkerEnded)
    assert 0 <= crashing.wait_s(time.monotonic()) <= ended.restart_in_s
    until(crashing, lambda said: len(said) == CRASH_LOOP_ENDS - 1)
    while not crashing.pids:
        list(crashing.poll(time.monotonic()))
    os.kill(crashing.pids[0], signal.SIGSTOP)  # so that it lives
    started_s = time.monotonic()
    monkeypatch.setattr(supervisor, "RECOVERED_AFTER_S", 1.0)
    assert 0 < crashing.wait_s(started_s) <= 1.0
    assert crashing.wait_s(started_s + 1.0) == 0
    os.kill(crashing.pids[0], signal.SIGKILL)


def test_no_worker_needs_no_look() -> None:
    """Without workers, as in the controller's own agent, nothing is ever due."""
    assert Supervisor().wait_s(0.0) == math.inf


def test_what_a_worker_says_is_kept_up_to_a_bound(crashing: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's output is kept up to a limit, also while the worker lives."""
    list(crashing.poll(time.monotonic()))
    os.kill(crashing.pids[0], signal.SIGSTOP)
    monkeypatch.setattr(supervisor, "MAX_OUTPUT_BYTES", 1000)
    output = crashing._workers[0].output
    output.write(b"x" * 1001)
    output.flush()
    list(crashing.poll(time.monotonic() + OUTPUT_INTERVAL_S))
    assert os.fstat(output.fileno()).st_size == 0


def test_a_process_that_can_not_be_started_is_told_as_one_that_ended(
    crashing: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that can't be started, as for want of memory, is reported as one that ended, and the supervisor goes on."""
    monkeypatch.setattr(supervisor.sys, "executable", "/nowhere/python")
    said = until(crashing, lambda said: len(said) == CRASH_LOOP_ENDS)
    assert all(
        isinstance(message, WorkerEnded) and "it can't be started: No such file" in message.how for message in said
    )
    assert isinstance(said[-1], WorkerEnded)
    assert said[-1].crashing
