"""What is printed of a soak: a row for each metric, and what drifts."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from master.analysis.soak.metrics import show_rate
from master.formatting import duration
from master.judge.result import Soak, SoakMetric, SoakSubject
from worker.printable import printable

STYLES = {"no drift": "bold green", "drift": "bold red", "unknown": "bold yellow"}
SHOWN_SUBJECTS = 3
MAX_NAME_LENGTH = 60


def soak_table(soak: Soak) -> Table:
    """The metrics: how fast the fastest subject rises, the limit, and the least drift that would have been found."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for heading in ("", "drift of"):
        table.add_column(heading)
    for heading in ("fastest", "limit", "detectable from"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("who", overflow="fold")
    for row in soak.metrics:
        if row.subjects or row.limit_per_day is not None:
            table.add_row(_mark(row), row.metric, *_rates(row), Text(_who(row)))
    return table


def soak_lines(soak: Soak) -> list[Text]:
    """The verdict, and on what it rests."""
    said = [Text.assemble("soak: ", (soak.verdict, STYLES[soak.verdict]), soak.reason.removeprefix(soak.verdict))]
    if soak.blocks:
        over = f"{soak.blocks} blocks of {duration(soak.block_s)}, after {duration(soak.warm_up_s)} of warm-up"
        said.append(
            Text(f"{over}; a run without drift is called one with a chance of {soak.false_alarm_percent:g} %", "dim")
        )
    return said


def _mark(row: SoakMetric) -> Text:
    if row.drifting:
        return Text("drift", style="bold red")
    if not row.subjects or (row.limit_per_day is not None and row.ok is None):
        return Text("unknown", style="dim")
    return Text("ok", style="green")


def _rates(row: SoakMetric) -> tuple[str, str, str]:
    fastest = max((each.per_day for each in row.worst), default=None)
    return (
        "–" if fastest is None else show_rate(fastest, row.unit),
        "–" if row.limit_per_day is None else show_rate(row.limit_per_day, row.unit),
        "–" if row.detectable_per_day is None else show_rate(row.detectable_per_day, row.unit),
    )


def _who(row: SoakMetric) -> str:
    if not row.drifting:
        return f"{row.subjects} looked at" if row.subjects > 1 else ""
    named = ", ".join(_named(each) for each in row.worst[:SHOWN_SUBJECTS] if each.drifts)
    more = row.drifting - min(row.drifting, SHOWN_SUBJECTS)
    return f"{named} and {more} more of {row.subjects}" if more else named


def _named(subject: SoakSubject) -> str:
    name = printable(subject.subject)
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[:MAX_NAME_LENGTH]}…"
