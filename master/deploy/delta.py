"""What a release has and another one lacks: a small archive, for hosts that have the other one.

There, the files that both have in common are links to those of the other release, and byte code goes along
(scripts/unpack.sh): an SD card is written what has changed, and all of it is verified as ever.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from master.deploy import archive, verify

MOST = 4
"""Deltas to one release that are made for one deployment; making one takes about as long as reading an archive."""
_LEAST_SHARE = 0.5
"""Of a release, in bytes, that the other one has too; below it, the whole is as good and simpler."""


@dataclass(frozen=True)
class Delta:
    """What makes another release of one."""

    base: str
    """The release that it begins with, by name."""
    archive: Path
    """The files that differ, their byte code, and the manifest."""


def make_delta(base: str, old: Path, new: Path) -> Delta | None:
    """What the release in the archive `new` has that `base`, in the archive `old`, lacks. None when that is most of it.

    It is kept beside `new`, and found there again. Raises OSError, or ValueError for an archive that is broken.
    """
    kept = new.parent / f"from-{base}.tar.gz"
    if not kept.exists():
        before, after = _listed(old), _listed(new)
        common = {path for path, content in after.items() if before.get(path) == content}
        if sum(after[path][0] for path in common) < _LEAST_SHARE * sum(size for size, _ in after.values()):
            return None
        _keep({path: content for path, content in archive.read(new) if verify.source_of(path) not in common}, kept)
    return Delta(base, kept)


def _listed(release: Path) -> dict[str, tuple[int, str]]:
    """The size and the hash of each file of a release, from its manifest, which comes first in its archive."""
    for path, content in archive.read(release):
        if path == verify.MANIFEST:
            return {path: (int(size), str(sha256)) for path, (size, sha256) in json.loads(content)["files"].items()}
    raise ValueError(f"{release.name} has no manifest")


def _keep(files: dict[str, bytes], kept: Path) -> None:
    """Others may do the same at the same time, and each finds all of it or nothing."""
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".delta-") as directory:
        partial = Path(directory) / kept.name
        archive.write(files, partial)
        partial.replace(kept)
