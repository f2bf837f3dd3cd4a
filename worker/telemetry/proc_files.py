"""Cheap repeated reading of the small files of /proc and /sys."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

MAX_FAILURES = 3
"""After so many failures in a row a file is searched again."""
RETRY_S = 60.0
"""A file that was not found is searched again after so long."""
_CHUNK_BYTES = 16384


class OpenFile:
    """A file that stays open, so that a read is one system call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def head(self, size: int = 1024) -> bytes:
        """Its first bytes now, at most `size`, or as many as the kernel returns at once. Raises OSError."""
        return self._read(size, 0)

    def all(self) -> bytes:
        """Its whole content now. Raises OSError."""
        parts = []
        offset = 0
        while part := self._read(_CHUNK_BYTES, offset):
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def _read(self, size: int, offset: int) -> bytes:
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(self._descriptor, size, offset)
        except OSError:
            self.close()  # its device may have gone, and another be there by that name
            raise

    def close(self) -> None:
        """Close it; the next read opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class NumberFile:
    """A whole number in a file that must be searched first, once, and again after repeated failures."""

    def __init__(self, find: Callable[[], Path | None]) -> None:
        self._find = find
        self._file: OpenFile | None = None
        self._failures = 0
        self._retry_at_s = 0.0

    def read(self, now_s: float) -> int | None:
        """The number now; None when there is no such file, or no number in it."""
        if self._file is None:
            if now_s < self._retry_at_s:
                return None
            path = self._find()
            self._retry_at_s = now_s + RETRY_S
            if path is None:
                return None
            self._file = OpenFile(path)
        try:
            number = parse_number(self._file.head(64))
        except OSError:
            number = None
        self._failures = 0 if number is not None else self._failures + 1
        if self._failures >= MAX_FAILURES:
            self.close()
        return number

    def close(self) -> None:
        """Close the file; the next read searches it again."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._failures = 0


def parse_number(text: bytes) -> int | None:
    """A whole number as sysfs prints it, in a line of its own; None for anything else."""
    return int(text) if re.fullmatch(rb"-?[0-9]{1,18}\s*", text) else None


def read_text(path: Path) -> str:
    """The text of a file; empty when it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def numbered(folder: Path, prefix: str) -> list[Path]:
    """The entries `prefix` with a number in `folder`, in order of number; none where there is no such folder."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
    numbers = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    return [folder / f"{prefix}{number}" for number in sorted((n for n in numbers if n.isdecimal()), key=int)]


def find_chip(root: Path, *names: str) -> Path | None:
    """The folder of a hwmon chip by its name, the first name first: their numbers differ from boot to boot."""
    chips = {
        read_text(folder / "name").strip(): folder for folder in reversed(numbered(root / "sys/class/hwmon", "hwmon"))
    }
    return next((chips[name] for name in names if name in chips), None)
