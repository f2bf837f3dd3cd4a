"""Reading files that the operator names: whatever they are, it ends at once, and says what is wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from master.errors import InputError

_MAX_SHOWN = 1000  # characters of a path; Linux takes 4096


def read_input(file: Path, max_bytes: int, *, hint: str = "") -> bytes:
    """The content of a regular file. Raises InputError for what is none, can't be read, or is larger than `max_bytes`.

    Nothing waits: opening a pipe that nobody writes to does not, nor does reading some files of /proc.
    """
    shown = shorten_path(file)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InputError("is not a file", file=shown, hint=hint)
            content = _read(descriptor, max_bytes + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise InputError("no such file", file=shown, hint=hint) from None
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror}", file=shown, hint=hint) from None
    except ValueError as error:  # a path with a zero byte
        raise InputError(f"can't be read: {error}", file=shown, hint=hint) from None
    if len(content) > max_bytes:
        raise InputError(f"is larger than {_size(max_bytes)}", file=shown, line=1, hint=hint)
    return content


def decode_input(file: Path, content: bytes, *, hint: str = "save the file as UTF-8") -> str:
    """`content` as the UTF-8 text that it is to be, a byte order mark left out. Raises InputError with the line."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError("is not UTF-8 text", file=file, line=line, hint=hint) from None


def shorten_path(file: Path) -> Path:
    """`file` as a message can show it: a path that no system takes is cut."""
    text = str(file)
    return file if len(text) <= _MAX_SHOWN else Path(f"{text[:80]}…")


def _read(descriptor: int, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    while max_bytes and (part := os.read(descriptor, max_bytes)):
        parts.append(part)
        max_bytes -= len(part)
    return b"".join(parts)


def _size(count: int) -> str:
    return f"{count / 1_000_000:g} MB"
