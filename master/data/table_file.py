"""A file of rows: checked once from its first byte to its last, then read row by row wherever rows are asked for.

In memory is where each row begins, eight bytes a row. The rows themselves stay in the file, and what is read goes to the workers as
it is, which take it apart.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import stat
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from master.errors import MAX_FAULTS, InputError, list_faults
from master.inputs import shorten_path
from worker.printable import printable
from worker.wire.rows import MAX_ROW_BYTES, MAX_WHOLE_BYTES, DataTable, Use

JSON_LINES = (".jsonl", ".ndjson", ".jsonlines")
_BOM = b"\xef\xbb\xbf"
_MAX_COLUMNS = 1000
_MAX_NAME = 200
_SHOWN_COLUMNS = 5
_HINT = "The first line names the columns, and each line after it is a row, as in: user,password"


class FileChangedError(Exception):
    """The file is not the one that was checked: it was changed in mid-run. Says so in a sentence."""


class TableFile:
    """The rows of one file. Close it."""

    def __init__(self, path: Path) -> None:
        """Open and check the file. Raises InputError, with all that is wrong, for one whose rows can't be used."""
        self.path = path
        self.columns: list[str] = []
        self._starts = array("Q")
        self._jsonl = path.suffix.lower() in JSON_LINES
        self._faults: list[str] = []
        self._faults_found = 0
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"can't be read: {error.strerror}", file=shorten_path(path)) from None
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _check(self) -> None:
        found = os.fstat(self._descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise InputError("is not a file", file=shorten_path(self.path))
        self._identity = (found.st_size, found.st_mtime_ns)
        digest = hashlib.sha256()
        with open(self._descriptor, "rb", closefd=False) as file:
            lines = _Lines(file, self.path, digest)
            try:
                if self._jsonl:
                    self._index_json_lines(lines)
                else:
                    self._index_csv(lines)
            except UnicodeDecodeError:
                raise InputError(
                    "is not UTF-8 text", file=self.path, line=lines.number, hint="Save the file as UTF-8."
                ) from None
        self.sha256 = digest.hexdigest()
        self._starts.append(lines.offset)
        if self._faults_found:
            raise InputError(
                f"{shorten_path(self.path)}: {self._faults_found} row(s) can't be used\n"
                f"{list_faults(self._faults, self._faults_found)}",
                hint="Each row has a value for each column.",
            )
        if not self.rows:
            raise InputError("has no rows", file=shorten_path(self.path), hint=_HINT)
        if self.identity_changed():
            raise InputError("was changed while it was read", file=shorten_path(self.path))

    def _index_csv(self, lines: _Lines) -> None:
        reader = csv.reader(map(_decode, lines), strict=True)
        try:
            header = next(reader, None)
            while header == []:
                header = next(reader, None)
        except csv.Error as error:
            raise InputError(_csv_fault(error), file=self.path, line=lines.number) from None
        if header is None:
            raise InputError("is empty", file=shorten_path(self.path), hint=_HINT)
        self._check_header(header, lines.number)
        begin, begin_line = lines.offset, lines.number + 1
        while True:
            lines.row_begin = begin
            try:
                row = next(reader, None)
            except csv.Error as error:
                # Whatever comes after it would be taken apart at the wrong places.
                raise InputError(_csv_fault(error), file=self.path, line=begin_line) from None
            if row is None:
                return
            if row:
                self._starts.append(begin)
                if len(row) != len(self.columns):
                    self._fault(begin_line, f"has {len(row)} value(s), and there are {len(self.columns)} columns")
                if lines.offset - begin > MAX_ROW_BYTES:
                    self._fault(begin_line, f"takes {lines.offset - begin} bytes, {MAX_ROW_BYTES} are the most")
            begin, begin_line = lines.offset, lines.number + 1

    def _check_header(self, header: list[str], line: int) -> None:
        names = [name.strip() for name in header]
        fault = ""
        if len(names) > _MAX_COLUMNS:
            fault = f"has {len(names)} columns, {_MAX_COLUMNS} are the most"
        elif not all(names):
            fault = f"the header has no name for column {names.index('') + 1}"
        elif len(set(names)) < len(names):
            fault = f"the header names the column {next(name for name in names if names.count(name) > 1)!r:.80} twice"
        elif any(len(name) > _MAX_NAME for name in names):
            fault = f"a column's name is longer than {_MAX_NAME} characters: does the first line name the columns?"
        elif len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
            fault = "the header has no comma: separate columns by commas"
        elif all(_is_number(name) for name in names):
            fault = "has no header: its first line is all numbers, where the columns are to be named"
        if fault:
            raise InputError(fault, file=self.path, line=line, hint=_HINT)
        self.columns = names

    def _index_json_lines(self, lines: _Lines) -> None:
        for line in lines:
            text = _decode(line)
            if text.strip():
                self._starts.append(lines.begin)
                fault = self._json_fault(text)
                if fault:
                    self._fault(lines.number, fault)
                    if not self.columns:
                        return  # nobody knows what the other rows are to have
            lines.row_begin = lines.offset

    def _json_fault(self, text: str) -> str:
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            return f"is no JSON: {error}" if isinstance(error, json.JSONDecodeError) else "is no JSON"
        if not isinstance(row, dict):
            return 'is no object: a row is as {"user": "ann", "password": "…"}'
        if not self.columns:
            if not row:
                return "is an object without names"
            if len(row) > _MAX_COLUMNS or any(len(name) > _MAX_NAME for name in row):
                return f"has more than {_MAX_COLUMNS} names, or one longer than {_MAX_NAME} characters"
            self.columns = list(row)
        missing = [name for name in self.columns if name not in row]
        if missing:
            return f"has no {_listed(missing)}, as the first row has"
        more = [name for name in row if name not in self.columns]
        return f"has {_listed(more)}, which the first row has not" if more else ""

    def _fault(self, line: int, what: str) -> None:
        self._faults_found += 1
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(f"line {line}: {what}")

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self._starts) - 1

    @property
    def content_bytes(self) -> int:
        """The size of all rows."""
        return self._starts[-1] - self._starts[0]

    @property
    def whole(self) -> bool:
        """Whether it is small enough to be sent to each worker at once."""
        return self.content_bytes <= MAX_WHOLE_BYTES

    def describe(self, use: Use) -> DataTable:
        """What a worker has to know of it."""
        return DataTable(
            use=use,
            rows=self.rows,
            columns=self.columns,
            format="jsonl" if self._jsonl else "csv",
            whole=self.whole,
        )

    def identity_changed(self) -> bool:
        """Whether the file was changed since it was opened, as far as its size and time tell."""
        found = os.fstat(self._descriptor)
        return (found.st_size, found.st_mtime_ns) != self._identity

    def fit(self, first: int, end: int, max_bytes: int) -> tuple[int, int]:
        """Up to which number the rows from `first` on, before `end`, have no more than `max_bytes`; and how many they have.

        Numbers go on behind the last row with the first one; no further than that is looked at once.
        """
        row = first % self.rows
        last = min(row + end - first, self.rows)
        fits = bisect_right(self._starts, self._starts[row] + max_bytes, row, last + 1) - 1
        return first + fits - row, self._starts[fits] - self._starts[row]

    def read(self, spans: Sequence[tuple[int, int]]) -> bytes:
        """The content of the rows of these numbers, one after the other, each with its line's end. Raises FileChangedError."""
        if self.identity_changed():
            raise FileChangedError(f"{printable(str(self.path))} was changed in mid-run")
        return b"".join(self._read(row, end) for span in spans for row, end in self._rows_of(*span))

    def _rows_of(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        while first < end:
            row = first % self.rows
            last = min(self.rows, row + end - first)
            yield row, last
            first += last - row

    def _read(self, row: int, end: int) -> bytes:
        start, size = self._starts[row], self._starts[end] - self._starts[row]
        content = os.pread(self._descriptor, size, start)
        if len(content) != size:
            raise FileChangedError(f"{printable(str(self.path))} was changed in mid-run")
        return content if content.endswith(b"\n") else content + b"\n"


class _Lines:
    """The lines of a file, with how far it was read. Raises InputError where one is longer than any row may be."""

    def __init__(self, file: IO[bytes], path: Path, digest: Any) -> None:
        self.number = 0
        """Of the latest line, from 1."""
        self.begin = 0
        """Where it begins, without a byte order mark."""
        self.offset = 0
        """Where it ends."""
        self.row_begin = 0
        """Where its row begins, which may have several lines."""
        self._file = file
        self._path = path
        self._digest = digest

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(MAX_ROW_BYTES + 1):
            self._digest.update(line)
            self.number += 1
            self.begin, self.offset = self.offset, self.offset + len(line)
            if len(line) > MAX_ROW_BYTES or self.offset - self.row_begin > 2 * MAX_ROW_BYTES:
                raise InputError(f"a row takes more than {MAX_ROW_BYTES} bytes", file=self._path, line=self.number)
            if self.number == 1 and line.startswith(_BOM):
                line = line[len(_BOM) :]
                self.begin = len(_BOM)
            yield line


def _decode(line: bytes) -> str:
    return line.decode()


def _csv_fault(error: csv.Error) -> str:
    if "field larger" in str(error) or "unexpected end" in str(error):
        return "a quote that is opened here is not closed"
    return f"is no CSV: {error}"


def _is_number(text: str) -> bool:
    with contextlib.suppress(ValueError):
        float(text)
        return True
    return False


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"{name!r:.60}" for name in names[:_SHOWN_COLUMNS])
    return shown + (f" and {len(names) - _SHOWN_COLUMNS} more" if len(names) > _SHOWN_COLUMNS else "")
