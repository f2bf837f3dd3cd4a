"""The log files of a run: their lines in order of time, and those that are added while the run is on."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from worker.log_lines import NOBODY, LogLine, parse_line

MAX_LINE_BYTES = 1 << 20
"""Longer lines are taken for several."""
_BY_LOGGING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}(?= )")
"""The local time with which piswarm's own processes log."""


class SourcedLine(NamedTuple):
    """A line, with the time and the source that it has or is taken to have."""

    at_s: float
    """Wall clock as Unix time; that of the line before where the line itself does not say."""
    source: str
    text: str


class LogFile:
    """One log, read from its beginning on; it may grow meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._at_s: float | None = None

    def new_lines(self, *, whole: bool) -> Iterator[SourcedLine]:
        """The lines that have not been read; with `whole` not the last one while it has no end. Nothing of a file that is gone."""
        try:
            with self.path.open("rb") as file:
                yield from self._read(file, whole=whole)
        except OSError:
            return

    def _read(self, file: BinaryIO, *, whole: bool) -> Iterator[SourcedLine]:
        size = file.seek(0, 2)
        if size < self._position:  # its middle was cut out: what is left of it was read, but for its very end
            self._position = size
        file.seek(self._position)
        while line := file.readline(MAX_LINE_BYTES):
            if whole and not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
                return
            self._position = file.tell()
            yield self._sourced(line.decode(errors="replace").rstrip("\r\n"))

    def _sourced(self, text: str) -> SourcedLine:
        said = parse_line(text)
        if said.at_s is None:
            said = _by_logging(text) or said
        if self._at_s is None or said.at_s is not None:
            self._at_s = said.at_s if said.at_s is not None else _begun_s(self.path)
        return SourcedLine(self._at_s, self.path.stem if said.source == NOBODY else said.source, said.text)


class RunLogs:
    """All logs of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, LogFile] = {}

    def new_lines(self, *, whole: bool = True) -> Iterator[SourcedLine]:
        """The lines that have come since the last call, in order of time as far as each log is; see LogFile.new_lines."""
        for path in sorted(self._folder.glob("*.log")):
            if path not in self._files and not path.is_symlink():
                self._files[path] = LogFile(path)
        each = [file.new_lines(whole=whole) for file in self._files.values()]
        return heapq.merge(*each, key=lambda line: line.at_s)


def _begun_s(path: Path) -> float:
    """The time of a log's first line where it does not say: when it was written last, which is the most that it can be."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _by_logging(text: str) -> LogLine | None:
    found = _BY_LOGGING.match(text)
    if found is None:
        return None
    try:
        at_s = datetime.strptime(found[0], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()
    except ValueError:
        return None
    return LogLine(at_s, NOBODY, text[found.end() + 1 :])
