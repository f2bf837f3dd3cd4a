"""Waiting on a descriptor ends at a signal, and at the end of a child."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

from worker.agent.signal_pipe import open_signal_pipe

LIMIT_MS = 20_000


def wait(descriptor: int, limit_ms: int = LIMIT_MS) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(limit_ms))


def test_the_end_of_a_child_wakes() -> None:
    """The end of a child makes the descriptor readable, and nothing does before it."""
    with open_signal_pipe() as pipe:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        assert not wait(pipe, 0)
        child.communicate(b"\n")
        assert wait(pipe)


def test_a_handled_signal_wakes() -> None:
    """A signal with any handler makes the descriptor readable until it is emptied."""
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with open_signal_pipe() as pipe:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert wait(pipe)
            assert os.read(pipe, 4096) == bytes([signal.SIGUSR1])
            assert not wait(pipe, 0)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_more_signals_than_are_read_do_no_harm() -> None:
    """More signals than the 64 KiB of a pipe can hold do no harm."""
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with open_signal_pipe() as pipe:
            for _ in range(70_000):
                signal.raise_signal(signal.SIGUSR1)
            assert wait(pipe, 0)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_everything_is_as_before_afterwards() -> None:
    """Afterwards the handler of SIGCHLD and the descriptor for signals are those from before."""
    with open_signal_pipe():
        pass
    assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1
