"""What a release has and another one lacks: a small archive, for hosts that have the other one.

There, the files that both have in common become links to those of the other release (scripts/unpack.sh): an SD card is written what
has changed, and all of it is verified as ever.
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from master.release import archive, verify

MOST = 4
"""Deltas to one release that are made for one deployment; making one takes about as long as reading an archive."""
_MIN_SHARE = 0.5
"""Of a release, in bytes, that the other one has too; below it, the whole is as good and simpler."""


@dataclass(frozen=True)
class Delta:
    """What makes another release of one."""

    base: str
    """The release that it begins with, by name."""
    archive: Path
    """The files that differ, and what describes and verifies the release."""
    archive_bytes: int


def make_delta(base: str, old: Path, new: Path) -> Delta | None:
    """What the release in the archive `new` has that `base`, in the archive `old`, lacks. None when that is most of it.

    It is kept beside `new`, and found there again. Raises OSError, or ValueError for an archive that is broken.
    """
    kept = new.parent / f"from-{base}.tar.gz"
    if not _is_sound(kept):
        before, after = _listed(old), _listed(new)
        common = {path for path, content in after.items() if before.get(path) == content}
        if sum(after[path][0] for path in common) < _MIN_SHARE * sum(size for size, _ in after.values()):
            return None
        common.discard(verify.VERIFY)  # what verifies the rest does not come from a host
        _keep({path: content for path, content in archive.read(new) if path not in common}, kept)
    return Delta(base, kept, kept.stat().st_size)


def _listed(release: Path) -> dict[str, tuple[int, str]]:
    """The size and the hash of each file of a release, byte code included, from the lists that come first in its archive."""
    found: dict[str, tuple[int, str]] = {}
    for path, content in archive.read(release):
        if path in (verify.CODE, verify.MANIFEST):
            found |= verify.entries(content)
        if path == verify.MANIFEST:
            return found
    raise ValueError(f"{release.name} has no manifest")


def _is_sound(kept: Path) -> bool:
    """Whether it is there, and as it was written, by the sum at its end."""
    try:
        with gzip.open(kept) as stream:
            while stream.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _keep(files: dict[str, bytes], kept: Path) -> None:
    """Others may do the same at the same time, and each finds all of it or nothing."""
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".delta-") as directory:
        partial = Path(directory) / kept.name
        archive.write(files, partial)
        partial.replace(kept)
