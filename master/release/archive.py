"""Archives of releases: gzip-compressed tar with sorted names and fixed times, modes and owners, the same bytes for the same files.

`tar` is there on every Debian and Raspberry Pi OS, and zlib in its Python, where `zstd` is not.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

GZIP_LEVEL = 6  # of gzip; 9 takes several times as long for 0.7 % less
MTIME_S = 315_532_800  # 1 January 1980, the oldest time that a wheel can hold


def write(files: Mapping[str, bytes], target: Path) -> None:
    """Write `files`, by path, to a new archive, and sync it to the disk. Raises OSError."""
    with target.open("wb") as stream:
        _pack(files, stream)
        stream.flush()
        os.fsync(stream.fileno())


def read(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Each file of `archive` with its content, sorted by path. Raises OSError, or ValueError for a damaged archive."""
    try:
        with tarfile.open(archive, "r|gz") as stream:
            for entry in stream:
                content = stream.extractfile(entry)
                if content is not None:
                    yield entry.name, content.read()
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{archive.name} is broken: {error}") from None


def _pack(files: Mapping[str, bytes], stream: IO[bytes]) -> None:
    """Write the same bytes for the same files, whatever their order, the time and the user."""
    directories = {parent.as_posix() for path in files for parent in Path(path).parents} - {"."}
    with (
        gzip.GzipFile("", "wb", compresslevel=GZIP_LEVEL, fileobj=stream, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted([*directories, *files]):
            entry = tarfile.TarInfo(path)
            entry.mtime = MTIME_S
            if path in files:
                entry.mode, entry.size = 0o644, len(files[path])
                archive.addfile(entry, io.BytesIO(files[path]))
            else:
                entry.mode, entry.type = 0o755, tarfile.DIRTYPE
                archive.addfile(entry)
