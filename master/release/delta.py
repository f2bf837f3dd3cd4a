"""Deltas: a small archive of the files that a release has and another one lacks, for hosts that have the other one.

On the host, files that both have in common become links to those of the other release (scripts/unpack.sh), so that an SD card is written
only what has changed. All files are verified as for a whole release.
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from master.release import archive, verify

MAX_DELTAS = 4
"""Deltas that one deployment makes for one release; one takes about as long as reading an archive."""
_MIN_SHARE = 0.5
"""Share of a release, in bytes, that the base must have too; below it, the whole release is sent."""


@dataclass(frozen=True)
class Delta:
    """The difference between a release and its base."""

    base: str
    """Name of the release that it is applied to."""
    archive: Path
    """The files that differ, the manifest, and verify.py."""
    archive_bytes: int


def make_delta(base: str, old: Path, new: Path) -> Delta | None:
    """Return the delta from `base`, in the archive `old`, to the release in the archive `new`; None where they have too little in common.

    It is stored beside `new`, and reused. Raises OSError, or ValueError for a damaged archive.
    """
    kept = new.parent / f"from-{base}.tar.gz"
    if not _is_sound(kept):
        before, after = _read_digests(old), _read_digests(new)
        common = {path for path, content in after.items() if before.get(path) == content}
        if sum(after[path][0] for path in common) < _MIN_SHARE * sum(size for size, _ in after.values()):
            return None
        common.discard(verify.VERIFY)  # what verifies the rest does not come from a host
        _write_delta({path: content for path, content in archive.read(new) if path not in common}, kept)
    return Delta(base, kept, kept.stat().st_size)


def _read_digests(release: Path) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file of a release, byte code included, from the lists that come first in its archive."""
    found: dict[str, tuple[int, str]] = {}
    for path, content in archive.read(release):
        if path in (verify.CODE, verify.MANIFEST):
            found |= verify.entries(content)
        if path == verify.MANIFEST:
            return found
    raise ValueError(f"{release.name} has no manifest")


def _is_sound(kept: Path) -> bool:
    """Whether the archive exists and its checksum holds."""
    try:
        with gzip.open(kept) as stream:
            while stream.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _write_delta(files: dict[str, bytes], kept: Path) -> None:
    """Write atomically: other processes may do the same at the same time."""
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".delta-") as directory:
        partial = Path(directory) / kept.name
        archive.write(files, partial)
        partial.replace(kept)
