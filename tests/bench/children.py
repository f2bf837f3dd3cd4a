"""Processes that end with their bench, bound to a core where that matters."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

END_S = 5.0


class BenchError(Exception):
    """A measurement that could not be made, with whose fault it is."""


def blame(what: str, log: Path) -> str:
    """`what`, and the last line of what a process complained of."""
    words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"{what} ({words[-1]})" if words else what


@contextmanager
def _on(core: int | None) -> Iterator[None]:
    """What the calling thread starts meanwhile inherits its core: nothing need run in the child between fork and exec."""
    if core is None:
        yield
        return
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


@contextmanager
def _interruptions(action: Callable[..., object] | signal.Handlers) -> Iterator[None]:
    usual = {number: signal.signal(number, action) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


class Children:
    """The processes started meanwhile: when the `with` block ends, however it ends, so do they."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with _interruptions(signal.SIG_IGN):
            for process in tuple(self._running):
                self.end(process)

    def start(
        self,
        command: Sequence[str],
        core: int | None,
        *,
        log: Path,
        stdin: int = subprocess.DEVNULL,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start `command` on `core`, or on any for None; what it complains of goes to `log`.

        Directory and environment are this process's own unless given. It gets a process group of its own: Ctrl-C in the terminal is ours to pass on.
        """
        held: list[object] = []
        # An interruption waits until the process is one that we know of.
        with _interruptions(lambda *_: held.append(_)), log.open("w", encoding="utf-8") as complaints, _on(core):
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                cwd=directory,
                env=environment,
                process_group=0,
            )
            self._running.add(process)
        if held:
            raise KeyboardInterrupt
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """End `process`, if it has not ended, and wait until it is gone."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._running.discard(process)
