"""What `piswarm nodes` does: find the run, read it once or repeatedly, and show it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live

from master.errors import InputError
from master.fleet.states import NodeState
from master.nodes.latest import read_latest
from master.nodes.now import Column, FleetNow, NodeNow, arranged, chosen
from master.nodes.table import view

RUNS = Path("runs")
EVERY_S = 1.0
WIDE = 1000
"""Columns of what is no terminal: no line is cut."""

Arrange = Callable[[FleetNow], list[NodeNow]]


def find_run(directory: Path | None) -> Path:
    """The run directory that is meant: `directory`, or the newest one below `runs/`. Raises InputError when there is none."""
    if directory is not None:
        return directory
    # Of all its files the scenario is written once, when the run begins.
    begun = {path.parent: _written_s(path.parent) for path in RUNS.glob("*/run.db")}
    if not begun:
        raise InputError(
            f"there is no run directory below {RUNS.absolute()}", hint="Name one: piswarm nodes path/to/run"
        )
    return max(begun, key=lambda path: begun[path])


def parse_states(text: str | None) -> set[str]:
    """The states of `--only hot,lost`. Raises InputError for what is none."""
    states = {part.strip() for part in (text or "").split(",") if part.strip()}
    known = [*(state.value for state in NodeState), "unknown"]
    if wrong := sorted(states - set(known)):
        raise InputError(f"--only: {', '.join(wrong)} is no state of a node", hint=f"States are {', '.join(known)}.")
    return states


def arrange(by: Column, states: Collection[str], *, reverse: bool) -> Arrange:
    """Which nodes to show, and in which order."""
    return lambda fleet: arranged(chosen(fleet.nodes, states), by, reverse=reverse)


def show_json(directory: Path, pick: Arrange) -> None:
    """Print one document."""
    fleet = read_latest(directory)
    fleet.nodes = pick(fleet)
    print(msgspec.json.format(msgspec.json.encode(fleet), indent=2).decode())  # noqa: T201  # what was asked for


def show_once(directory: Path, pick: Arrange) -> None:
    """Print one table: as wide as the terminal, with all columns anywhere else."""
    fleet, console = read_latest(directory), Console()
    if console.is_terminal:
        console.print(view(fleet, pick(fleet), console.width), highlight=False)
    else:
        Console(width=WIDE).print(view(fleet, pick(fleet), None), highlight=False)


def watch(directory: Path, pick: Arrange, console: Console) -> None:
    """Show the table anew every second, until the run is over or the operator has seen enough. The last one stays."""
    if not console.is_terminal:
        raise InputError("--watch needs a terminal", hint="For a program, ask with --json as often as you like.")
    due_s = time.monotonic()
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                fleet = read_latest(directory)
                width, height = console.size
                live.update(view(fleet, pick(fleet), width, height), refresh=True)
                if fleet.over:
                    return
                now_s = time.monotonic()
                due_s = max(due_s + EVERY_S, now_s)  # what took longer is not made up for
                time.sleep(due_s - now_s)
    except KeyboardInterrupt:
        return


def _written_s(directory: Path) -> float:
    scenario = directory / "scenario.yml"
    return (scenario if scenario.exists() else directory / "run.db").stat().st_mtime
