"""Small wheels that tests make, and a directory of them in place of a package index."""

from __future__ import annotations

import hashlib
import struct
import zipfile
from pathlib import Path

ELF = {"aarch64": 183, "x86_64": 62}


def shared_library(arch: str) -> bytes:
    """Return the header of a shared library, which is all that is read."""
    return struct.pack("<4sBBBB8xHH", b"\x7fELF", 2, 1, 1, 0, 3, ELF[arch]) + bytes(44)


def make_wheel(
    directory: Path, name: str, files: dict[str, bytes | str], tag: str = "py3-none-any", version: str = "1.0"
) -> str:
    """Write a wheel; return its entry for a lock file."""
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    members: dict[str, bytes | str] = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in members.items():
            archive.writestr(
                zipfile.ZipInfo(path), content
            )  # without the time of day, so that its hash is always the same
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
