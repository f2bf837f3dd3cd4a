"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def atomic_write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` in place of `path`: others see the old content or the new, never half, and a power cut leaves one of both.

    Its directory is made where it is missing, for its owner alone, as the file is unless `mode` says otherwise. Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(path, content, 0o600, mode)


def atomic_write_public(path: Path, content: bytes) -> None:
    """As `atomic_write`, for others to read as far as the umask lets them, in a directory that is there. Raises OSError."""
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
