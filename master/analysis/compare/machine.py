"""What the controller's own machine did meanwhile: where nodes are simulated, or the target runs there, it is a part of what was measured."""

from __future__ import annotations

from typing import NamedTuple

from master.store import CONTROLLER, StoreReader

BUSIER = 1.5
"""How many times as much work a machine must have had for a reader to be told."""
_LEAST_LOAD = 1.0
"""Below one process at a time nobody waits."""
_WHY = "what else it does slows simulated nodes, and a target that runs on it"


class MachineWork(NamedTuple):
    """The mean over the steady part."""

    cpu_percent: float
    load: float
    """Processes that ran, or waited for a core (the load average of one minute)."""


def machine_work(store: StoreReader) -> MachineWork | None:
    """What the controller's machine did in the steady part; None where that is not known. Raises sqlite3.Error."""
    steady = [row.second for row in store.seconds() if row.steady]
    if not steady:
        return None
    first_s, end_s = steady[0], steady[-1] + 1
    for block in store.sample_blocks(["cpu_percent", "load_1min"], first_s, end_s, end_s - first_s, CONTROLLER):
        cpu, load = block.ranges
        if cpu is not None and load is not None:
            return MachineWork(cpu.mean, load.mean)
    return None


def work_notes(baseline: MachineWork | None, run: MachineWork | None) -> list[str]:
    """What to tell of a machine that had much more to do in one of the runs; nothing where it had not."""
    if baseline is None or run is None:
        return []
    before, after = max(baseline.load, _LEAST_LOAD), max(run.load, _LEAST_LOAD)
    if max(before, after) < BUSIER * min(before, after):
        return []
    which = "the run" if after > before else "the baseline"
    return [
        f"the controller's machine had more to do in {which}: {_said(baseline)} in the baseline, {_said(run)} in the run; {_WHY}"
    ]


def _said(work: MachineWork) -> str:
    return f"a load of {work.load:.1f} and {work.cpu_percent:.0f} % CPU"
