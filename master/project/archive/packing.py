"""A project's archive: gzip-compressed tar of regular files alone, the same bytes for the same files, whoever's they are and whenever made."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from master.errors import InputError
from master.project.archive.files import ProjectFile, largest, show_bytes
from master.project.archive.ignored import OWN_FILE
from worker.wire.bounds import MAX_ARCHIVE_BYTES
from worker.wire.work import Project

_MTIME_S = 315_532_800  # 1 January 1980
_GZIP_LEVEL = 6


@dataclass(frozen=True)
class PackedProject:
    """An archive on this machine's disk, and what nodes are told of it."""

    archive: Path
    described: Project


def pack(files: Sequence[ProjectFile], archive: Path) -> PackedProject:
    """Write an archive of these files, which only its owner can read. Raises InputError, and OSError where there is no room."""
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as stream,
        gzip.GzipFile("", "wb", compresslevel=_GZIP_LEVEL, fileobj=stream, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as members,
    ):
        for file in files:
            _add(members, file)
    size = archive.stat().st_size
    if size > MAX_ARCHIVE_BYTES:
        raise InputError(
            f"the project has {show_bytes(size)} when it is compressed, where nodes take {show_bytes(MAX_ARCHIVE_BYTES)}: leave out in "
            f"{OWN_FILE} what the load does not need. The largest: {', '.join(largest(files))}"
        )
    return PackedProject(archive, Project(_sha256(archive), size, _total(files)))


def find_packed(archive: Path) -> PackedProject:
    """The archive that an earlier controller of the run has made. Raises InputError where it is not there any more."""
    try:
        size = archive.stat().st_size
        with tarfile.open(archive, "r:gz") as members:
            unpacked = sum(member.size for member in members)
        return PackedProject(archive, Project(_sha256(archive), size, unpacked))
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(f"the project of the run can't be read: {error}", file=archive) from None


def _add(members: tarfile.TarFile, file: ProjectFile) -> None:
    entry = tarfile.TarInfo(file.name)
    entry.mtime, entry.mode, entry.size = _MTIME_S, 0o755 if file.executable else 0o644, file.size
    try:
        source = file.source.open("rb")
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror}", file=file.source) from None
    with source:
        if os.fstat(source.fileno()).st_size != file.size:
            raise InputError("changed while it was read; try again", file=file.source)
        try:
            members.addfile(entry, source)
        except OSError as error:
            if error.errno is not None:
                raise
            raise InputError("changed while it was read; try again", file=file.source) from None  # it got shorter


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _total(files: Sequence[ProjectFile]) -> int:
    return sum(file.size for file in files)
