"""Standard output and standard error that can't stop a program: what can't be written is dropped, and the program goes on.

A reader that has gone (`| head -1`), a terminal that was closed or does not read any more (Ctrl-S), a disk that is full, an
encoding without some character: none of them raises, and none holds up an event loop for longer than the write timeout.
"""

from __future__ import annotations

import codecs
import errno
import io
import math
import os
import select
import stat
import sys
import time
from typing import Any, TextIO

PIPE_BUF_BYTES = 4096
"""Bytes that a pipe which can be written to takes without waiting (POSIX: PIPE_BUF)."""
ASCII_SUBSTITUTES = {
    "≤": "<=",
    "≥": ">=",
    "–": "-",
    "—": "-",
    "×": "x",
    "→": "->",
    "…": "...",
    "°": " deg ",
    "µ": "u",
    "\u00a0": " ",
}
"""Substitutes for characters that an encoding lacks; "?" for any other."""


class _Output(io.RawIOBase):
    """A descriptor to write to. Every write counts as done."""

    def __init__(self, descriptor: int) -> None:
        self.lost: OSError | None = None
        """First error by which output was dropped; None while none was."""
        self.timeout_s = math.inf
        """Longest wait for a reader that has stopped reading."""
        self._descriptor = descriptor
        self._target = _unblocking(descriptor)
        self._behind = False

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        # A reader that has let one write wait in vain holds up no further one.
        until_s = time.monotonic() + (0.0 if self._behind and self.timeout_s < math.inf else self.timeout_s)
        try:
            while left:
                if not _ready(self._target, until_s - time.monotonic()):
                    raise BlockingIOError(errno.EAGAIN, "nobody reads it")
                try:
                    left = left[os.write(self._target, left[:PIPE_BUF_BYTES]) :]
                except BlockingIOError:
                    time.sleep(0.01)  # a terminal with less room than that; it is asked again, until the timeout
                    if time.monotonic() > until_s:
                        raise
            self._behind = False
        except OSError as error:
            self._behind = isinstance(error, BlockingIOError)
            self.lost = self.lost or error
        return size


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Write a character that can't be encoded in plain ones."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(
        ASCII_SUBSTITUTES.get(character, "?") for character in error.object[error.start : error.end]
    ), error.end


codecs.register_error("piswarm.plain", _plain)


def guard_streams() -> None:
    """From now on nothing that is written to sys.stdout and sys.stderr can fail. Streams that a test has put there stay."""
    _fill_standard_descriptors()
    for name, errors in (("stdout", "piswarm.plain"), ("stderr", "backslashreplace")):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:  # it was closed when this program began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # for the process's life
        elif stream is getattr(sys, f"__{name}__"):
            buffer = io.BufferedWriter(_Output(stream.fileno()))
            line_buffering = name == "stderr" or stream.isatty()
            wrapped = io.TextIOWrapper(buffer, encoding=stream.encoding, errors=errors, line_buffering=line_buffering)
            stream.flush()
            setattr(sys, name, wrapped)


def set_write_timeout(seconds: float) -> None:
    """Limit the wait of a write to standard output or error for its reader; without limit until this is called."""
    for stream in (sys.stdout, sys.stderr):
        output = _output_of(stream)
        if output is not None:
            output.timeout_s = seconds


def lost_output() -> OSError | None:
    """First error by which standard output was dropped; None when none was, or its reader closed it."""
    output = _output_of(sys.stdout)
    if output is None:
        return None
    sys.stdout.flush()
    return None if output.lost is None or output.lost.errno == errno.EPIPE else output.lost


def reader_left() -> bool:
    """Whether the reader of standard output has closed it, as far as writing has shown."""
    output = _output_of(sys.stdout)
    return output is not None and output.lost is not None and output.lost.errno == errno.EPIPE


def _output_of(stream: TextIO) -> _Output | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Output) else None


def _fill_standard_descriptors() -> None:
    """Let none of the first three be free: a database that got one would have messages written into it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _unblocking(descriptor: int) -> int:
    """For a pipe or a terminal, a descriptor of its own that does not block; others that have this one open see nothing of it."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(descriptor)):
        try:
            return os.open(
                f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_APPEND
            )
        except OSError:
            pass  # another user's terminal: it is asked before each write, which blocks seldom enough
    return descriptor


def _ready(descriptor: int, wait_s: float) -> bool:
    """Whether a write would not block, within `wait_s`."""
    # gevent's poll would let others run in the middle of a write.
    monkey = sys.modules.get("gevent.monkey")
    poll = select.poll() if monkey is None else monkey.get_original("select", "poll")()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(None if wait_s == math.inf else max(0.0, 1000 * wait_s)))
