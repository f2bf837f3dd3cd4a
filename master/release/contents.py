"""Files of a release: those of wheels as an installation would place them, and those of the package `worker`.

Only what is imported: no scripts, no sources of libraries, no byte code of others.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from master.release.platforms import ARCHITECTURES, Platform
from master.release.wheels import BuildError

EXCLUDED = (
    # Tests of packages, which nothing imports.
    "gevent/testing/",
    "gevent/tests/",
    "greenlet/tests/",
    "zope/interface/tests/",
    "zope/event/tests.py",
    "zope/interface/common/tests/",
    "zmq/tests/",
    # Locust's web page, which only its own master serves.
    "locust/webui/",
    # For Locust files that are tests of pytest's, which Locust's own command alone can load; 430 files.
    "_pytest/",
    "iniconfig/",
    "pluggy/",
    "pygments/",
    "pytest/",
    "pytest_locust/",
    # Other loops and back ends than those that are used, and what an application would use of them.
    "gevent/_ffi/",
    "gevent/libuv/",
    "zmq/auth/",
    "zmq/backend/cffi/",
    "zmq/eventloop/",
    "zmq/green/eventloop/",
    "zmq/log/",
    "zmq/ssh/",
)
"""Parts of packages that no node needs, excluded from releases. A test imports what a node does, and runs a worker."""
SOURCE_SUFFIXES = (".asm", ".c", ".cpp", ".h", ".hpp", ".obj", ".pxd", ".pxi", ".pyi", ".pyx")
"""Suffixes of the sources of shared libraries, and of what only type checkers read."""
WITHOUT_BYTE_CODE = (
    "bidict/",
    "engineio/",
    "h11/",
    "packaging/",
    "simple_websocket/",
    "socketio/",
    "websocket/",
    "wsproto/",
)
"""Packages that only some Locust files import, not worth their byte code. A test shows that a worker starts without."""

_MAX_FILE_BYTES = 64 << 20
Files = Mapping[str, bytes]


def files_of_wheels(wheels: Iterable[Path]) -> dict[str, bytes]:
    """Return the files of `wheels` by path. Raises BuildError for a damaged wheel, or two wheels with different content for one path."""
    files: dict[str, bytes] = {}
    owners: dict[str, str] = {}
    for wheel in wheels:
        try:
            content = _files_of(wheel)
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
            raise BuildError(f"{wheel.name} is no sound wheel: {error}") from None
        for path, data in content.items():
            if files.setdefault(path, data) != data:
                raise BuildError(f"{wheel.name} and {owners[path]} both bring {path}, and differ")
            owners.setdefault(path, wheel.name)
    return files


def _files_of(wheel: Path) -> dict[str, bytes]:
    files = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = _release_path(wheel, entry.filename)
            if entry.is_dir() or path is None:
                continue
            if entry.file_size > _MAX_FILE_BYTES:
                raise BuildError(f"{wheel.name}: {entry.filename} is {entry.file_size} bytes large")
            files[path] = archive.read(entry)
    return files


def _release_path(wheel: Path, name: str) -> str | None:
    """Path below the release for the member `name` of `wheel`; None for one that is excluded. Raises BuildError for a path outside."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise BuildError(f"{wheel.name}: {name!r} would lie outside of the release")
    if parts[0].endswith(".data"):
        if len(parts) < 3 or parts[1] not in ("purelib", "platlib"):
            return None  # scripts, headers and data
        parts = parts[2:]
    path = "/".join(parts)
    if path.startswith(EXCLUDED) or "__pycache__" in parts or path.endswith((".pyc", *SOURCE_SUFFIXES)):
        return None
    # It lists files that are not taken; without it nobody asks for them.
    if len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1].startswith("RECORD"):
        return None
    return path


def files_of_package(directory: Path) -> dict[str, bytes]:
    """Return the files of the package in `directory` by path, with its name first. Raises BuildError for a directory that is no package."""
    if not (directory / "__init__.py").is_file():
        raise BuildError(f"{directory} is no Python package", hint="run from a whole copy of piswarm")
    files = {}
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory.parent)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
        if path.is_file() and not hidden and not path.name.endswith((".pyc", "~")):
            files[inside.as_posix()] = path.read_bytes()
    return files


def check_machine(files: Files, platform: Platform) -> None:
    """Raise BuildError for a shared library in `files` that is for another architecture than `platform`."""
    for path, data in files.items():
        if data[:4] != b"\x7fELF":
            continue
        if data[4:6] != b"\x02\x01" or struct.unpack_from("<H", data, 18)[0] != ARCHITECTURES[platform.arch]:
            raise BuildError(f"{path} is not for {platform.arch}", hint="make the lock file anew: make lock")
