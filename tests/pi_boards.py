"""The boards in tests/data/pi, laid out as files below a folder that a probe can take for a machine."""

from __future__ import annotations

import re
from pathlib import Path

DATA = Path(__file__).parent / "data/pi"
BOARDS = sorted(folder.name for folder in DATA.iterdir() if folder.is_dir())


def lay_out(board: str, root: Path) -> Path:
    """Write the files of `board` below `root`; returns `root`."""
    _, *parts = re.split(r"^==> (/\S*) <==\n", (DATA / board / "files.txt").read_text(), flags=re.MULTILINE)
    for path, content in zip(parts[::2], parts[1::2], strict=True):
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        # Files are a blank line apart; a device tree's texts end in a NUL and no newline.
        text = content.removesuffix("\n") if (path, content) != (parts[-2], parts[-1]) else content
        file.write_text(text.rstrip("\n") + "\0" if "device-tree" in path else text)
    return root


def said_by_vcgencmd(board: str) -> dict[str, str]:
    """What the program says there, by its arguments."""
    _, *parts = re.split(r"^\$ vcgencmd (.*)\n", (DATA / board / "vcgencmd.txt").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def install_vcgencmd(root: Path, script: str) -> Path:
    """Put a program of these shell commands below `root` where vcgencmd would be."""
    program = root / "usr/bin/vcgencmd"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def script_for(said: dict[str, str]) -> str:
    """Shell commands that say this, by arguments."""
    cases = "".join(f"'{arguments}') printf '%s' '{text}';;\n" for arguments, text in said.items())
    return f'case "$*" in\n{cases}*) exit 1;;\nesac'
