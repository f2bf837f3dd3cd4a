"""The machine that a bench runs on, and the choice of two of its cores."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

TOPOLOGY = Path("/sys/devices/system/cpu")


class Cores(NamedTuple):
    """Where the two sides run: what is measured, and what it talks to. `shared` says that both are threads of one physical core."""

    measured: int
    other: int
    shared: bool


def choose_cores() -> Cores | None:
    """Two cores that this process may use, if possible not threads of the same physical one; None where there is only one."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(usable) < 2:
        return None
    first, *others = usable
    siblings = _siblings(first)
    apart = [core for core in others if core not in siblings]
    return Cores(first, (apart or others)[0], shared=not apart)


def _siblings(core: int) -> set[int]:
    try:
        text = (TOPOLOGY / f"cpu{core}/topology/thread_siblings_list").read_text()
    except OSError:
        return {core}  # not told: taken as a core of its own
    found: set[int] = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found


def describe(cores: Cores, *, measured: str, other: str) -> dict[str, Any]:
    """What it ran on, as a document tells it; `measured` and `other` name the two sides."""
    sides = {f"{measured}_core": cores.measured, f"{other}_core": cores.other, "one_physical_core": cores.shared}
    return describe_all() | sides


def describe_all() -> dict[str, Any]:
    """What it ran on, where it was bound to no core."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    # x86 tells the model of each core, a Raspberry Pi that of the board at the end.
    named = [line.partition(":")[2].strip() for line in lines if line.lower().startswith(("model name", "model\t"))]
    return next((name for name in named if not name.isdigit()), platform.machine())
