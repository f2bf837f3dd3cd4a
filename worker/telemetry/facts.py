"""Facts about a machine that do not change while it runs: its board and its software."""

from __future__ import annotations

import platform
import shlex
from pathlib import Path
from typing import TypedDict

from worker.telemetry.proc_files import read_text

UNKNOWN = "unknown"
MAX_CHARACTERS = 200


class Software(TypedDict):
    """The software of a machine; UNKNOWN for what is not known."""

    os: str
    kernel: str
    python: str


def read_software(root: Path = Path("/")) -> Software:
    """The software of the machine whose files are below `root`."""
    return Software(
        os=parse_os_name(read_text(root / "etc/os-release") or read_text(root / "usr/lib/os-release"))
        or clean_line(platform.platform(terse=True)),
        kernel=clean_line(read_text(root / "proc/sys/kernel/osrelease") or platform.release()),
        python=platform.python_version(),
    )


def read_model(root: Path = Path("/")) -> str:
    """The board's name, such as "Raspberry Pi 4 Model B Rev 1.5"; the processor's architecture on machines without one."""
    return clean_line(read_text(root / "proc/device-tree/model") or platform.machine())


def read_revision(root: Path = Path("/")) -> str:
    """A Pi's revision code in hexadecimal, such as "c03115" (Raspberry Pi documentation, "Raspberry Pi revision codes")."""
    try:
        code = (root / "proc/device-tree/system/linux,revision").read_bytes()
    except OSError:
        code = b""
    if len(code) == 4:  # one cell of a device tree, the high byte first
        return f"{int.from_bytes(code, 'big'):04x}"
    return parse_revision(read_text(root / "proc/cpuinfo"))


def parse_revision(cpuinfo: str) -> str:
    """The `Revision` that a Pi's /proc/cpuinfo ends with; other machines have none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Revision":
            return clean_line(value)
    return UNKNOWN


def parse_os_name(os_release: str) -> str | None:
    """The PRETTY_NAME in /etc/os-release, without its quotes; None when there is none."""
    for line in os_release.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "PRETTY_NAME":
            try:
                words = shlex.split(value)
            except ValueError:  # a quote that does not end
                words = [value]
            return clean_line(" ".join(words)) if any(word.strip() for word in words) else None
    return None


def clean_line(text: str) -> str:
    """`text` as one line without control characters, cut at MAX_CHARACTERS; UNKNOWN when it is empty."""
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return clean[:MAX_CHARACTERS].strip() or UNKNOWN
