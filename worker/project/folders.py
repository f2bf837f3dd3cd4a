"""The folder into which an agent unpacks a project for its workers: one for each run, which lasts as long as the agent.

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

PREFIX = "piswarm-project-"
INSIDE = "project"
"""The folder in it that is the project's: what lies beside is not to be imported."""


class ProjectFolder:
    """An empty folder, which only this user can read."""

    def __init__(self, parent: Path) -> None:
        """Make it in `parent`. Raises OSError where there is no room for it, or no descriptor left."""
        self._folder, self._lock = _new_folder(parent)
        self.path = self._folder / INSIDE
        try:
            self.path.mkdir(0o700)
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of this user's agents that were killed. What can't be removed stays."""
    for folder in _folders(parent):
        with contextlib.suppress(OSError):
            lock = lock_file(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def lock_file(path: Path) -> int:
    """A descriptor that holds the lock on a file or folder until it is closed. Raises OSError: another process holds it, for one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _folders(parent: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if (
                entry.name.startswith(PREFIX)
                and entry.is_dir(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_uid == os.getuid()
            ):
                yield Path(entry.path)


def _new_folder(parent: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that locks it. Raises OSError."""
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=parent))
    try:
        lock = lock_file(made)
    except OSError:
        made.rmdir()
        raise
    # Only now does it get the name by which others look for what was left.
    return made.rename(made.with_name(made.name[1:])), lock
