"""Atomic writes of files."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def atomic_write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the content of `path`: readers see the old or the new content, as they do after a power cut. Raises OSError.

    A missing directory is made, for its owner only (0700). The file gets `mode`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, content, 0o600, mode)


def atomic_write_public(path: Path, content: bytes) -> None:
    """As `atomic_write`, with the mode that the umask gives, in a directory that exists. Raises OSError."""
    _replace(path, content, 0o666, None)


def _replace(path: Path, content: bytes, created: int, mode: int | None) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, created)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
