"""Unpacking a project's archive: regular files and folders alone, within bounds, and only once its hash is the one that was announced.

The archive comes from the controller, which is trusted; that it is looked at like a stranger's costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from worker.wire.bounds import MAX_PROJECT_BYTES, MAX_PROJECT_FILES

PIECE_BYTES = 1 << 20
"""So much is hashed or written between two `yield`s."""
MAX_NAME_BYTES = 1000
MAX_DEPTH = 50


class BadArchiveError(Exception):
    """Raised for an archive that is not the announced one, or that holds what no project has; says why."""


class _Member(tarfile.TarInfo):
    """A member that is a file, or the long name of one. Others are refused before anything of them is read into memory."""

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type == tarfile.GNUTYPE_LONGNAME and self.size <= 4 * MAX_NAME_BYTES:
            return super()._proc_member(tarfile_)  # type: ignore[misc,no-any-return]  # the way to look at one before it is read
        if self.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise BadArchiveError(f"{self.name!r:.200} is no regular file")
        return super()._proc_member(tarfile_)  # type: ignore[misc,no-any-return]


def unpack(archive: Path, sha256: str, folder: Path) -> Generator[None]:
    """Unpack `archive` into the empty `folder`, in pieces: it yields often, so that its caller can do other things meanwhile.

    Files are for their owner alone. Raises BadArchiveError, and OSError where there is no room.
    """
    with archive.open("rb") as stream:
        yield from _verify(stream, sha256)
        stream.seek(0)
        try:
            with tarfile.open(fileobj=stream, mode="r|gz", tarinfo=_Member) as members:
                yield from _extract(members, folder)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise BadArchiveError(f"the archive is damaged: {error}") from None


def _verify(stream: IO[bytes], sha256: str) -> Iterator[None]:
    digest = hashlib.sha256()
    while piece := stream.read(PIECE_BYTES):
        digest.update(piece)
        yield
    if digest.hexdigest() != sha256:
        raise BadArchiveError("the archive has not the hash that was announced")


def _extract(members: tarfile.TarFile, folder: Path) -> Iterator[None]:
    left_bytes, left_files = MAX_PROJECT_BYTES, MAX_PROJECT_FILES
    for member in members:
        left_files -= 1
        left_bytes -= member.size
        if left_files < 0 or left_bytes < 0:
            raise BadArchiveError(f"more than {MAX_PROJECT_FILES} files, or {MAX_PROJECT_BYTES >> 20} MiB")
        target = folder / _checked_path(member)
        source = members.extractfile(member)
        if source is None:
            raise BadArchiveError(f"{member.name!r:.200} can't be read")
        mode = 0o700 if member.mode & stat.S_IXUSR else 0o600
        try:
            target.parent.mkdir(0o700, parents=True, exist_ok=True)
            # Neither a link is followed here, since none was made, nor a file written twice.
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        except (FileExistsError, NotADirectoryError):
            raise BadArchiveError(f"{member.name!r:.200} is there twice") from None
        with os.fdopen(descriptor, "wb") as file:
            while piece := source.read(PIECE_BYTES):
                file.write(piece)
                yield
        os.utime(target, (member.mtime, member.mtime))
        yield


def _checked_path(member: tarfile.TarInfo) -> PurePosixPath:
    """Where a member is to be unpacked, relative to the folder. Raises BadArchiveError."""
    name = member.name
    path = PurePosixPath(name)
    if not member.isreg() or member.issparse():
        raise BadArchiveError(f"{name!r:.200} is no regular file")
    if len(os.fsencode(name)) > MAX_NAME_BYTES or len(path.parts) > MAX_DEPTH:
        raise BadArchiveError(f"{name!r:.200} is too long a name")
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in name:
        raise BadArchiveError(f"{name!r:.200} lies outside of the project")
    return path
