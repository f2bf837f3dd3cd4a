"""Archives of projects on a node's disk, named by their hash, and those that are still to be completed.

Several agents of one machine may share the folder: each receives into a file of its own, and what is complete gets its name in one
step. A partial file stays when its agent is killed, and the agent of that name goes on with it; what nobody has come back for is
removed after a day, an archive that nobody has used for a week, or of which there are too many newer ones, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import IO, Self

from worker.project.folders import lock_file, remove_abandoned

ARCHIVE = ".tar.gz"
PART = ".part"
MAX_ARCHIVES = 8
MAX_AGE_S = 7 * 24 * 3600.0
MAX_PART_AGE_S = 24 * 3600.0
SPARE_BYTES = 32 << 20
"""What is left free on the disk beside a project."""


class ProjectCache:
    """One folder with archives, and what is unpacked of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_node(cls, state: Path | None) -> Self:
        """That of a node whose state folder is `state`; one in the folder of temporary files where there is none."""
        return cls.temporary() if state is None else cls(state / "projects")

    @classmethod
    def temporary(cls) -> Self:
        """One in the folder of temporary files."""
        return cls(Path(tempfile.gettempdir()) / f"piswarm-{os.getuid()}")

    def clean(self) -> None:
        """Remove what agents that were killed have left, and what is of no use any more."""
        remove_abandoned(self.folder)
        self._prune()

    def open(self) -> None:
        """Make sure of the folder, which only this user can read, and of what is in it. Raises OSError."""
        self.folder.mkdir(0o700, parents=True, exist_ok=True)
        found = self.folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "not a folder of this user's", str(self.folder))
        if found.st_mode & 0o077:
            self.folder.chmod(0o700)
        self.clean()

    def archive(self, sha256: str) -> Path:
        """Where the archive of a hash is, once it is complete."""
        return self.folder / f"{sha256}{ARCHIVE}"

    def find(self, sha256: str) -> Path | None:
        """The archive of a hash, marked as used now; None where it is not there."""
        archive = self.archive(sha256)
        try:
            os.utime(archive, follow_symlinks=False)
        except OSError:
            return None
        return archive

    def _prune(self) -> None:
        """Remove what is old. What can't be removed stays."""
        now_s = time.time()
        with contextlib.suppress(OSError):
            archives = sorted(self.folder.glob(f"*{ARCHIVE}"), key=_used_s, reverse=True)
            for index, archive in enumerate(archives):
                # A clock that was wrong, as that of a board without battery is after its start, makes no file old for ever.
                if index >= MAX_ARCHIVES or abs(now_s - _used_s(archive)) > MAX_AGE_S:
                    archive.unlink(missing_ok=True)
            for part in self.folder.glob(f"*{PART}"):
                if abs(now_s - _used_s(part)) > MAX_PART_AGE_S:
                    with contextlib.suppress(OSError):
                        lock = lock_file(part)
                        part.unlink(missing_ok=True)
                        os.close(lock)


def _check_room(folder: Path, needed_bytes: int) -> None:
    """Raises OSError where less is free."""
    if shutil.disk_usage(folder).free < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _used_s(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


class PartialArchive:
    """An archive that is being received, by one process."""

    def __init__(self, cache: ProjectCache, sha256: str, node: str, size: int, needed_bytes: int) -> None:
        """Go on with the one that the agent of `node` has begun, or begin it. Raises OSError: without room for `needed_bytes`, for one."""
        self._path = cache.folder / f"{sha256}-{node}{PART}"
        self._archive = cache.archive(sha256)
        self._size = size
        self._path.touch(0o600)
        self._lock = lock_file(self._path)
        self._file: IO[bytes] | None = None
        try:
            begun = self._path.stat().st_size
            if begun > size:
                os.truncate(self._path, 0)
                begun = 0
            _check_room(cache.folder, needed_bytes - begun + SPARE_BYTES)
            self._file = self._path.open("ab", buffering=0)
        except OSError:
            self.close()
            raise
        self.received = begun
        """Bytes that are there; the next part begins here."""

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return self.received >= self._size

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def append(self, data: bytes) -> None:
        """Add the next part. Raises OSError."""
        assert self._file is not None
        written = self._file.write(data[: self._size - self.received])
        self.received += written or 0

    def keep(self) -> None:
        """It is the archive that was announced: give it its name. Raises OSError."""
        self._path.rename(self._archive)
        self.close()

    def drop(self) -> None:
        """It is not: remove it."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave it as it is."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
