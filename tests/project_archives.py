"""Archives of projects, made by hand for tests."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

from worker.wire.bounds import PROJECT_PART_BYTES
from worker.wire.messages import ProjectPart, ProjectRequest
from worker.wire.work import Project


def make_archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> str:
    """Write an archive of these members; its hash."""
    with tarfile.open(path, "w:gz", format=form) as archive:
        for entry, content in members:
            archive.addfile(entry, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def member(
    name: str, content: bytes = b"", change: Callable[[tarfile.TarInfo], None] = lambda _: None
) -> tuple[tarfile.TarInfo, bytes]:
    """A regular file, or what `change` makes of it."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    change(entry)
    return entry, content


def described(archive: Path) -> Project:
    """What a node is told of an archive."""
    content = archive.read_bytes()
    return Project(hashlib.sha256(content).hexdigest(), len(content), 0)


def answer(archive: Path, request: ProjectRequest) -> ProjectPart:
    """What a controller answers."""
    content = archive.read_bytes()
    return ProjectPart(request.sha256, request.offset, content[request.offset : request.offset + PROJECT_PART_BYTES])
