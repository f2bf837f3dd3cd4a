"""Which process of which controller holds a lock, and whether that is over: known to the same controller alone."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def process() -> str:
    """This process, as no other was or will be: machine and its boot, namespace, number, and when it began. Empty where unknown."""
    return ":".join([*_here(), str(os.getpid()), _began(os.getpid())]) if _here() else ""


def is_over(by: str) -> bool:
    """Whether what the process `by` did on a host has ended. False where that can't be known, as for another controller's.

    This very process counts as over: on one host, it does one thing after another.
    """
    boot, namespace, number, began = parts if len(parts := by.split(":")) == 4 else ("", "", "", "")
    if not boot or (boot, namespace) != _here() or not number.isdecimal():
        return False
    return int(number) == os.getpid() or _began(int(number)) != began


def _here() -> tuple[str, ...]:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return boot, str((_PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return ()


def _began(number: int) -> str:
    """When a process began, in ticks since the boot; empty for one that is gone, or waits to be buried."""
    try:
        fields = (_PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
