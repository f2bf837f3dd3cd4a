"""What a node's workers print, on its way to the controller: read from the files that they write, in bounded parts.

A worker that prints a lot costs the node the reading alone: what is too much is counted, and sent as a number.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable

from worker.log_lines import parse_line
from worker.secret_values import Mask
from worker.wire.bounds import MAX_LOGGED_LINE, MAX_LOGGED_LINES
from worker.wire.messages import LoggedLine, WorkerOutput

MAX_READ_BYTES = 8 << 20
"""Of one file at a time. What lies between that and its end is passed over."""
MAX_WAITING = 200
"""Lines of one worker that wait to be sent; further ones are counted alone."""
LINES_PER_S = 20.0
BURST_LINES = 100
"""Lines of a node that may be sent at once after a while without any, as a traceback has many."""
MAX_REPORT_CHARACTERS = 48 << 10
"""Of one message, which so stays below 64 KB but for texts of another alphabet."""
_CHUNK_BYTES = 64 << 10


class OutputReader:
    """The lines of one worker's output, as they come."""

    def __init__(self, worker: str, descriptor: int, mask: Mask) -> None:
        """`descriptor` is that of the file that the worker writes to; its position is the worker's, and left alone."""
        self.waiting: deque[LoggedLine] = deque()
        self.left_out = 0
        """Lines since the last `pop_left_out` that are not in `waiting`."""
        self._worker = worker
        self._descriptor = descriptor
        self._mask = mask
        self._position = 0
        self._rest = b""

    def read(self, now_s: float, wall_s: float, *, ended: bool = False) -> None:
        """Take in what has been written. Times are those of now; with `ended` a line without an end is one, too."""
        size = os.fstat(self._descriptor).st_size
        end = min(size, self._position + MAX_READ_BYTES)
        while self._position < end:
            chunk = os.pread(self._descriptor, _CHUNK_BYTES, self._position)
            if not chunk:
                break
            self._position += len(chunk)
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._add(line, now_s, wall_s)
            self._rest = self._rest[:_CHUNK_BYTES]
        if self._position < size:
            self._position, self._rest, self.left_out = size, b"", self.left_out + 1
        if ended and self._rest:
            self._add(self._rest, now_s, wall_s)
            self._rest = b""

    def restart(self) -> None:
        """The file is empty now."""
        self._position, self._rest = 0, b""

    def pop_left_out(self) -> int:
        """How many lines were left out since the last call."""
        left_out, self.left_out = self.left_out, 0
        return left_out

    def _add(self, line: bytes, now_s: float, wall_s: float) -> None:
        if len(self.waiting) >= MAX_WAITING:
            self.left_out += 1
            return
        said = parse_line(line.decode(errors="replace"))
        # How long ago it was by the wall clock, which is hardly ever set within that time.
        at_s = now_s if said.at_s is None else now_s - min(max(0.0, wall_s - said.at_s), now_s)
        text = self._mask(said.text)
        if len(text) > MAX_LOGGED_LINE:
            text = f"{text[: MAX_LOGGED_LINE - 1]}…"
        self.waiting.append(LoggedLine(self._worker, at_s, text))


class OutputRate:
    """How many lines of a node may be sent. Pure; times are parameters."""

    def __init__(self, lines_per_s: float = LINES_PER_S, burst: int = BURST_LINES) -> None:
        self._lines_per_s = lines_per_s
        self._burst = burst
        self._left = float(burst)
        self._filled_s = 0.0

    def refill(self, now_s: float) -> None:
        """Time has passed."""
        self._left = min(self._burst, self._left + self._lines_per_s * max(0.0, now_s - self._filled_s))
        self._filled_s = now_s

    def take(self) -> bool:
        """Whether one more may be sent, which then counts as sent."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def take_output(readers: Iterable[OutputReader], rate: OutputRate, *, last: bool = False) -> WorkerOutput | None:
    """What is to be sent of what waits; None when there is nothing, and it is not the `last`. What is too much is left out."""
    lines: list[LoggedLine] = []
    left_out = characters = 0
    for reader in readers:
        while reader.waiting:
            line = reader.waiting.popleft()
            full = len(lines) >= MAX_LOGGED_LINES or characters + len(line.text) > MAX_REPORT_CHARACTERS
            if full or not rate.take():
                left_out += 1
                continue
            lines.append(line)
            characters += len(line.text)
        left_out += reader.pop_left_out()
    return WorkerOutput(lines, left_out, last) if lines or left_out or last else None
