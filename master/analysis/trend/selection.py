"""Which runs belong into one trend, and why the others do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from master.analysis.compare.comparable import (
    machine_faults,
    result_differences,
    result_faults,
    scenario_faults,
    scenario_notes,
    verdict_fault,
)
from master.analysis.runs import StoredRun
from master.errors import InputError
from worker.wire.messages import Facts

_FILES = ("result.json", "run.db")
"""One of these makes a directory one of a run."""


@dataclass
class Chosen:
    """A run with what is to be said of it. `run` is None where it can't be read."""

    path: Path
    run: StoredRun | None = None
    left_out: str | None = None
    notes: list[str] = field(default_factory=list)
    nodes: Mapping[str, Facts | None] = field(default_factory=dict)

    @property
    def started_s(self) -> float:
        """When it began, in seconds since 1970; below all others where that is not known."""
        try:
            return datetime.fromisoformat(self.run.result.started_at).timestamp() if self.run else -1.0
        except (ValueError, OverflowError):
            return -1.0


def choose(paths: Sequence[Path], like: Path | None) -> tuple[StoredRun, list[Chosen]]:
    """The run that the others are held against, and all in order of time: those that differ from it are left out.

    `paths` are run directories, and directories of them. Without `like` it is the newest run that is PASS or FAIL. Raises InputError
    where a path is neither, or no run is left.
    """
    found = [_opened(path) for path in dict.fromkeys(each for path in paths for each in _run_directories(path))]
    found.sort(key=lambda each: (each.started_s, each.path.name))
    reference = _reference(found) if like is None else _named(like)
    machines = {} if reference.run is None else reference.nodes
    assert reference.run is not None  # both see to it
    for each in found:
        if each.run is not None and each.left_out is None:
            _hold(each, each.run, reference.run, machines)
    _leave_out_copies(found)
    if all(each.left_out is not None for each in found):
        raise InputError(
            f"none of {len(found)} runs is like {reference.run.name}: {found[-1].path} is left out, {found[-1].left_out}",
            hint="Name runs of one scenario, or another one with --like.",
        )
    return reference.run, found


def _run_directories(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            raise InputError(f"{path} is no directory", hint="Name directories of runs, or one that holds them.")
        if _is_run(path):
            return [path]
        found = sorted(each for each in path.iterdir() if each.is_dir() and _is_run(each))
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}", hint="Name directories of runs.") from None
    if not found:
        raise InputError(f"{path} is no run directory, and holds none", hint="Name directories of runs.")
    return found


def _is_run(path: Path) -> bool:
    return any((path / name).exists() for name in _FILES)


def _opened(path: Path) -> Chosen:
    try:
        run = StoredRun.open(path)
        _ = run.scenario
    except InputError as error:
        return Chosen(path, left_out=f"can't be read: {error.message}")
    chosen = Chosen(path, run)
    if (fault := verdict_fault(run.result, "it")) is not None:
        chosen.left_out = fault
    elif not run.result.nodes.simulated:
        chosen.nodes, chosen.notes = _machines(run)
    return chosen


def _machines(run: StoredRun) -> tuple[Mapping[str, Facts | None], list[str]]:
    """The machines of real nodes: which models they are is in run.db alone."""
    try:
        with run.store() as store:
            return store.nodes(), []
    except (InputError, ValueError):  # also what msgspec raises
        return {}, ["run.db can't be read, so which models its nodes are is unknown"]


def _leave_out_copies(found: Sequence[Chosen]) -> None:
    seen: dict[tuple[str, str], Path] = {}
    for each in found:
        if each.run is None or each.left_out is not None:
            continue
        result = each.run.result
        first = seen.setdefault((result.run_id, result.started_at), each.path)
        if first is not each.path:
            each.left_out = f"it is the same run as {first}"


def _reference(found: Sequence[Chosen]) -> Chosen:
    usable = [each for each in found if each.left_out is None]
    if not usable:
        last = found[-1]
        raise InputError(
            f"none of {len(found)} runs can be part of a trend: {last.path} is left out, {last.left_out}",
            hint="A trend is made of runs that ended with PASS or FAIL.",
        )
    return usable[-1]


def _named(path: Path) -> Chosen:
    run = StoredRun.open(path)
    _ = run.scenario
    if (fault := verdict_fault(run.result, str(path))) is not None:
        raise InputError(f"--like: {fault}", hint="Name a run that ended with PASS or FAIL.")
    return Chosen(path, run, nodes={} if run.result.nodes.simulated else _machines(run)[0])


def _hold(each: Chosen, run: StoredRun, like: StoredRun, machines: Mapping[str, Facts | None]) -> None:
    """Say of a run whether it is left out, or what else is other than in the run `like`."""
    faults = scenario_faults(like.scenario, run.scenario, simulated=like.result.nodes.simulated)
    faults += result_faults(like.result, run.result)
    if machines and each.nodes:
        faults += machine_faults(machines, each.nodes)
    each.left_out = "; ".join(faults) or None
    if not faults:
        each.notes += scenario_notes(like.scenario, run.scenario) + result_differences(like.result, run.result)
