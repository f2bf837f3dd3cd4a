"""What the code of users prints and logs, line by line with time and worker (worker/log_lines.py), in a process that may have several workers.

What a greenlet of a worker prints is that worker's; what is printed while a locustfile is imported is the process's.
"""

from __future__ import annotations

import atexit
import io
import logging
import sys
import time
from collections.abc import Mapping
from typing import TextIO

import gevent

from worker.log_lines import NOBODY, LogLine, format_line
from worker.secret_values import Mask

MAX_PENDING = 64 << 10
"""Characters of a line without an end, from which on it is written in pieces."""
_TREE_KEY = "worker.load.process.output"
"""The key of a worker's name in the spawn tree's locals of its greenlets."""


class StampedOutput(io.TextIOWrapper):
    """Writes to the buffer of another stream, whole lines alone: what has no end of line yet waits for it."""

    def __init__(self, stream: TextIO, mask: Mask, source: str) -> None:
        """`source` is that of what no worker prints."""
        super().__init__(stream.buffer, encoding="utf-8", errors="backslashreplace")
        self._below = stream  # it would close its buffer when nothing refers to it any more
        self._mask = mask
        self._source = source
        self._pending: dict[str, str] = {}

    def write(self, text: str, /) -> int:
        """Write the lines that end in `text`."""
        source = _current_worker() or self._source
        *lines, rest = (self._pending.pop(source, "") + text).split("\n")
        if len(rest) > MAX_PENDING:
            lines, rest = [*lines, rest], ""
        if rest:
            self._pending[source] = rest
        self._write_lines(source, lines)
        return len(text)

    def finish(self) -> None:
        """Write what has no end of line."""
        pending, self._pending = self._pending, {}
        for source, text in pending.items():
            self._write_lines(source, [text])

    def _write_lines(self, source: str, lines: list[str]) -> None:
        if lines:
            now_s = time.time()
            super().write("".join(format_line(LogLine(now_s, source, self._mask(line))) for line in lines))
            super().flush()


def stamp_output(secrets: Mapping[str, str], source: str = NOBODY) -> None:
    """From now on all that this process prints and logs by Python has time and source, and names in place of `secrets`."""
    mask = Mask(secrets)
    sys.stdout, sys.stderr = (StampedOutput(stream, mask, source) for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        atexit.register(stream.finish)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
            handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))


def name_worker(worker: str) -> None:
    """What the calling greenlet, and all that it spawns from now on, prints is that of `worker`."""
    gevent.getcurrent().spawn_tree_locals[_TREE_KEY] = worker


def _current_worker() -> str | None:
    tree = getattr(gevent.getcurrent(), "spawn_tree_locals", None)
    found: str | None = tree.get(_TREE_KEY) if tree else None
    return found
