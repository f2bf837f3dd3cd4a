"""Verifies a release: every file as its manifest says, and no others. Plain Python 3.11 with nothing installed.

A copy of this file is in every release; on a node: `python3 -I RELEASE/.release/verify.py [--digest SHA256] [--compiled]`.
It ends with 0 and one line when the release is whole; with 1, and what is wrong, when it is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import stat
import sys
from pathlib import Path

SCHEMA = "piswarm/release/1"
DIRECTORY = ".release"
MANIFEST = f"{DIRECTORY}/manifest.json"
CODE = f"{DIRECTORY}/code.json"
"""List of the byte code in the release, in the form of the manifest; it does not count for the name of the release."""
VERIFY = f"{DIRECTORY}/verify.py"
NAME_DIGITS = 16
"""Digits of the manifest's SHA-256 that name the release: enough that no two of a fleet are ever alike."""
COMPLETE = ".complete"
"""File that the deployment adds to a release once it is verified."""
_COMPILED = re.compile(r"__pycache__/([^/]+)\.cpython-[0-9]+\.pyc")
_MAX_SHOWN = 20
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


def problems(root: Path, *, digest: str | None = None, compiled: bool = False, here: bool = True) -> list[str]:
    """Return what is wrong with the release in `root`, at most about 20 lines; nothing when it is whole.

    `digest` is the SHA-256 that its manifest must have. `compiled` lets byte code be: what came with the release is verified too,
    and Python itself may have left some beside the sources. `here` asks whether this machine and this Python are the ones that it was made for.
    """
    try:
        content = (root / MANIFEST).read_bytes()
        manifest = json.loads(content)
        files = entries(content)
        made_for = str(manifest["arch"]), str(manifest["python"])
    except _UNREADABLE as error:
        return [f"{MANIFEST}: can't be read: {error}"]
    try:
        code = entries((root / CODE).read_bytes()) if compiled and (root / CODE).exists() else {}
    except _UNREADABLE as error:
        return [f"{CODE}: can't be read: {error}"]
    found = []
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        found.append(f"{MANIFEST}: is another release's")
    if manifest.get("schema") != SCHEMA:
        found.append(f"{MANIFEST}: schema {manifest.get('schema')!r}, where {SCHEMA!r} is known")
    machine = platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}"
    if here and machine != made_for:
        found.append(f"made for {made_for[0]} and Python {made_for[1]}; this is {machine[0]} with Python {machine[1]}")
    for path, (size, sha256) in (files | code).items():
        fault = _fault(f"{root}/{path}", size, sha256)
        if fault:
            found.append(f"{path}: {fault}")
            if len(found) > _MAX_SHOWN:
                return [*found, "and more"]
    known = {*files, *code, MANIFEST, CODE, COMPLETE}
    for path in _present(root):
        if path not in known and not (compiled and _source(path) in files):
            found.append(f"{path}: does not belong to the release")
            if len(found) > _MAX_SHOWN:
                return [*found, "and more"]
    return found


def entries(content: bytes) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file in a manifest, or in a list of byte code. Raises ValueError, KeyError, TypeError or AttributeError."""
    return {str(path): (int(size), str(sha256)) for path, (size, sha256) in json.loads(content)["files"].items()}


def _fault(path: str, size: int, sha256: str) -> str:
    # Of a release's 1500 files, each as a Path would take longer than its hash.
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return "is a link"
        if status.st_size != size:
            return f"{status.st_size} bytes instead of {size}"
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
            content = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return str(error.strerror)
    return "" if content == sha256 else "has another content"


def _present(root: Path) -> list[str]:
    """Relative paths of all files and links below `root`, sorted."""
    found = []
    for directory, names, files in os.walk(root):
        links = [name for name in names if (Path(directory) / name).is_symlink()]
        inside = directory.removeprefix(f"{root}").removeprefix("/")
        found += [f"{inside}/{name}" if inside else name for name in [*files, *links]]
    return sorted(found)


def _source(path: str) -> str:
    """Path of the source of the byte code at `path`: `a/b.py` for `a/__pycache__/b.cpython-313.pyc`."""
    return _COMPILED.sub(r"\1.py", path)


def main() -> int:
    """Verify the release that this file is in."""
    parser = argparse.ArgumentParser(description="Verify the release that this file is in.")
    parser.add_argument("--digest", help="the SHA-256 that its manifest must have")
    parser.add_argument("--compiled", action="store_true", help="byte code beside the sources may be there")
    options = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    found = problems(root, digest=options.digest, compiled=options.compiled)
    for text in found:
        sys.stderr.write(f"{text}\n")
    if not found:
        sys.stdout.write(f"{hashlib.sha256((root / MANIFEST).read_bytes()).hexdigest()} is whole\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
