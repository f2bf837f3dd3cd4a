"""The folder in which an agent keeps the operator's locustfile for its workers: a temporary one, which lasts as long as the agent.

An agent that is killed cannot remove its folder, so the next one on the machine does. Each agent holds a lock (flock) on its own,
which the kernel releases at its death: a folder that can be locked is nobody's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "piswarm-locustfile-"


class LocustfileFolder:
    """A folder with one locustfile."""

    def __init__(self, text: str) -> None:
        """Write `text` as locustfile.py in a new folder. Raises OSError where there is no room for it, or no descriptor left."""
        self._folder, self._lock = _new_folder()
        self.path = self._folder / "locustfile.py"
        try:
            self.path.write_text(text, "utf-8")
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned() -> None:
    """Remove the folders of this user's agents that were killed. What can't be removed stays."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            lock = _lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _folders() -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if (
                entry.name.startswith(PREFIX)
                and entry.is_dir(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_uid == os.getuid()
            ):
                yield Path(entry.path)


def _new_folder() -> tuple[Path, int]:
    """A new folder, and the descriptor that locks it. Raises OSError."""
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    try:
        lock = _lock(made)
    except OSError:
        made.rmdir()
        raise
    # Only now does it get the name by which others look for what was left.
    return made.rename(made.with_name(made.name[1:])), lock


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock on `folder` until it is closed. Raises OSError: another process holds it, for one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
