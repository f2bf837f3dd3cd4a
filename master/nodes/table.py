"""The nodes of a run as a table that fits where it is shown: when it is narrow, the columns that matter least are omitted, and named."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.text import Text

from master import formatting
from master.nodes.now import FleetNow, NodeNow

PADDING = 2
MAX_CELL_WIDTH = 34
"""Characters; names and models come from the nodes, and may be longer."""
BELOW = 4
"""Lines of a screen for the table's heading, two notes and the cursor."""
SILENT_S = 5
"""A controller writes every second; after so long it is worth a word."""
HOT_C, WARM_C = 80, 70

STATE_STYLES = {
    "joining": "cyan",
    "ready": "",
    "running": "green",
    "hot": "yellow",
    "throttled": "bold yellow",
    "quarantined": "bold red",
    "lost": "bold red",
    "gone": "red",
}


class _Cell(NamedTuple):
    text: str
    style: str = ""


@dataclass(frozen=True)
class _Shown:
    """One column: its heading, its cells, and how soon it is omitted where there is no room; 0 is never."""

    heading: str
    cell: Callable[[NodeNow], _Cell]
    omit_order: int = 0
    right: bool = True


def view(fleet: FleetNow, nodes: Sequence[NodeNow], width: int | None, height: int | None = None) -> RenderableType:
    """The run in a line, and a table of `nodes`, which are some of its nodes; None is as wide or high as it takes."""
    lines = [*_head(fleet), Text()]
    room = None
    if height is not None and width is not None:
        above = sum(max(1, math.ceil(line.cell_len / width)) for line in lines)
        room = max(1, height - above - BELOW)
    shown, more = nodes[:room], len(nodes) - len(nodes[:room])
    table, omitted = _table(shown, width) if shown else ([], [])
    if shown:
        lines += table
    else:
        lines.append(Text("no such node" if fleet.nodes else "no node has come yet", style="dim"))
    notes = []
    if more:
        notes.append(f"{formatting.counted(more, 'more node')}; choose with --only and --sort")
    if omitted:
        notes.append(f"no room for: {', '.join(omitted)}")
    lines += [Text(note, style="dim", no_wrap=True, overflow="ellipsis") for note in notes]
    return Group(*lines)


def throttling(row: NodeNow) -> str:
    """The active conditions of a node: `throttled, capped`; blank when there is none, `unknown` when that is not known.

    One that is known to be inactive is omitted, and one that is not known has a question mark.
    """
    if all(holds is None for holds in row.conditions):
        return "unknown"
    found = zip(formatting.CONDITIONS.values(), row.conditions, strict=True)
    return ", ".join(f"{name}?" if holds is None else name for name, holds in found if holds is not False)


def short_model(model: str) -> str:
    """`Pi 4B`, `Pi 3B+`, `Pi Zero 2 W` for a Pi, as it is for anything else; revisions are omitted."""
    text = re.sub(r" Rev \S+$", "", model)
    text = re.sub(r"^Raspberry Pi\b", "Pi", text)
    text = re.sub(r" Model ([AB])( Plus)?", lambda found: f"{found[1]}{'+' if found[2] else ''}", text)
    return text.replace("Compute Module ", "CM")


def _head(fleet: FleetNow) -> list[Text]:
    if fleet.verdict is not None:
        when = (f"over: {fleet.verdict}; this is how its nodes were at the end", "bold")
    elif fleet.offset_s is None:
        when = ("its load has not begun", "cyan")
    else:
        when = (f"{formatting.moment(fleet.offset_s)} since the load began, {fleet.stage}", "cyan")
    first = Text.assemble((_plain(fleet.run), "bold"), "  ", when, no_wrap=True, overflow="ellipsis")
    states = Counter(row.state or "state unknown" for row in fleet.nodes)
    simulated = " simulated" if any(row.simulated for row in fleet.nodes) else ""
    total = f"{len(fleet.nodes)}{simulated} node{'' if len(fleet.nodes) == 1 else 's'}"
    parts = [
        (f"{formatting.count(states[state])} {state}", STATE_STYLES.get(state, "dim"))
        for state in [*STATE_STYLES, *sorted(states.keys() - STATE_STYLES.keys())]
        if states[state]
    ]
    second = Text.assemble((total, "dim"))
    for part in parts:
        second.append("  ").append(*part)
    lines = [first, second]
    if fleet.silent_s is not None and fleet.silent_s > SILENT_S:
        text = f"nothing was written for {formatting.duration(fleet.silent_s)}: it is writing its report, or its controller is gone"
        lines.append(Text(text, style="yellow"))
    return lines


def _table(nodes: Sequence[NodeNow], width: int | None) -> tuple[list[Text], list[str]]:
    """The table's lines, and the headings of what has no room. Rich's own table takes seconds for 500 nodes."""
    cells = {column: [column.cell(row) for row in nodes] for column in _COLUMNS}
    # How old samples are is worth a column only where some are older than others.
    ages = any(not row.fresh for row in nodes) and any(row.sample_age_s is not None for row in nodes)
    shown = [column for column in _COLUMNS if ages or column.heading != "sample"]
    widths = {
        column: max(cell_len(column.heading), *(min(MAX_CELL_WIDTH, cell_len(cell.text)) for cell in cells[column]))
        for column in shown
    }
    omitted = set()
    for column in sorted((column for column in shown if column.omit_order), key=lambda column: column.omit_order):
        if width is None or sum(widths[column] + PADDING for column in shown) - PADDING <= width:
            break
        shown.remove(column)
        omitted.add(column)
    heading = [_fitted(_Cell(column.heading, "dim"), widths[column], right=column.right) for column in shown]
    rows = [
        [_fitted(cells[column][index], widths[column], right=column.right) for column in shown]
        for index in range(len(nodes))
    ]
    lines = []
    for row in (heading, *rows):
        line = Text(no_wrap=True, overflow="ellipsis")
        for number, cell in enumerate(row):
            line.append(" " * PADDING if number else "").append(cell.text, cell.style)
        line.rstrip()
        lines.append(line)
    return lines, [column.heading for column in _COLUMNS if column in omitted]


def _fitted(cell: _Cell, width: int, *, right: bool) -> _Cell:
    """As wide as its column, however wide its letters are."""
    free = width - cell_len(cell.text)
    if free < 0:
        return cell._replace(text=set_cell_size(cell.text, width - 1) + "…")
    return cell._replace(text=" " * free + cell.text if right else cell.text + " " * free)


def _plain(text: str) -> str:
    """Without what could steer a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _value(value: float | None, text: str, style: str = "") -> _Cell:
    return _Cell(formatting.NOTHING, "dim") if value is None else _Cell(text, style)


def _name(text: str | None) -> _Cell:
    return _Cell(formatting.NOTHING, "dim") if text is None else _Cell(_plain(text))


def _state(row: NodeNow) -> _Cell:
    return _name(None) if row.state is None else _Cell(_plain(row.state), STATE_STYLES.get(row.state, ""))


def _temperature(row: NodeNow) -> _Cell:
    value = row.temperature_c
    style = "" if value is None or value < WARM_C else "yellow" if value < HOT_C else "bold red"
    return _value(value, f"{value:.1f}" if value is not None else "", style)


def _throttling(row: NodeNow) -> _Cell:
    text = throttling(row)
    return _Cell(text, "bold yellow" if any(row.conditions) else "dim")


def _offset(row: NodeNow) -> _Cell:
    value = row.wall_offset_s
    if value is None:
        return _value(value, "")
    text = f"{value:+z.2f} s" if abs(value) < 60 else f"{'+' if value > 0 else '-'}{formatting.duration(abs(value))}"
    return _Cell(text, "yellow" if abs(value) >= 1 else "")


def _age(row: NodeNow) -> _Cell:
    if row.fresh:
        return _Cell("")
    if row.sample_age_s is None:
        return _Cell("none lately", "yellow")
    return _Cell(f"{formatting.duration(round(row.sample_age_s))} ago", "yellow")


def _number(
    get: Callable[[NodeNow], float | None], digits: int, high: float | None = None
) -> Callable[[NodeNow], _Cell]:
    def cell(row: NodeNow) -> _Cell:
        value = get(row)
        style = "yellow" if high is not None and value is not None and value > high else ""
        return _value(value, "" if value is None else f"{value:.{digits}f}", style)

    return cell


_COLUMNS = (
    _Shown("node", lambda row: _Cell(_plain(row.node)), right=False),
    _Shown("state", _state, right=False),
    _Shown("model", lambda row: _name(row.model and short_model(row.model)), 5, right=False),
    _Shown("°C", _temperature, 11),
    _Shown("throttling", _throttling, 10, right=False),
    _Shown("CPU %", _number(lambda row: row.cpu_percent, 0, 90), 6),
    _Shown("mem %", _number(lambda row: row.memory_percent, 0, 90), 4),
    _Shown("GHz", _number(lambda row: row.frequency_hz and row.frequency_hz / 1e9, 2), 8),
    _Shown("users", _number(lambda row: row.users, 0), 9),
    _Shown("wall clock", _offset, 3),
    _Shown("capacity", _number(lambda row: row.capacity, 2), 2),
    _Shown("piswarm", lambda row: _name(row.piswarm), 1),
    _Shown("sample", _age, 7),
)
