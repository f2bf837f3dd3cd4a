"""A directory for the length of a process, and the removal of those that processes which were killed have left."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "piswarm-target-"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A new directory in the system's temporary one, removed at the end of the block.

    Its owner holds a lock on it, which the kernel lifts however the process ends: what is not locked belongs to nobody.
    """
    place = Path(tempfile.gettempdir())
    _remove_left(place)
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=place))
    descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    # Only now does it get the name by which others look for what was left.
    directory = made.rename(made.with_name(made.name[1:]))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(descriptor)


def _remove_left(place: Path) -> None:
    for directory in place.glob(f"{PREFIX}*"):
        try:
            # Not through a link, which somebody else may have put there.
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # another user's, or gone by now
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
        except BlockingIOError:
            pass  # its owner lives
        finally:
            os.close(descriptor)
