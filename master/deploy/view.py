"""Shows the progress and the result of a deployment, on a terminal or in a log."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from master.deploy.rollout.host_pool import HostTask, ProgressListener
from master.deploy.rollout.results import HostResult, Outcome, RolloutReport

_MAX_ROWS = 12
"""Hosts shown at once while they are worked on: those that take longest."""
_STYLES = {
    Outcome.UNCHANGED: "dim",
    Outcome.CHANGED: "green",
    Outcome.DIFFERS: "cyan",
    Outcome.FAILED: "bold red",
    Outcome.SKIPPED: "yellow",
}


class ProgressView(ProgressListener):
    """Shows progress: live on a terminal, elsewhere one line for each host that has ended as changed or failed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._tasks: dict[str, HostTask] = {}
        self._title = ""
        self._hosts_in_batch = 0
        self._outcomes = dict.fromkeys(Outcome, 0)
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While the block runs."""
        if not self._console.is_terminal:
            yield
            return
        with Live(
            console=self._console, get_renderable=self._render, refresh_per_second=8, transient=True
        ) as self._live:
            yield
        self._live = None

    def show_step(self, text: str) -> None:
        """One line, kept."""
        self._console.print(Text(plain(text)))

    def batch_started(self, title: str, hosts: int) -> None:
        """A batch begins."""
        with self._lock:
            self._title, self._hosts_in_batch = title, hosts
            self._outcomes = dict.fromkeys(Outcome, 0)
        if self._live is None:
            self._console.print(f"{title}: {hosts} hosts", highlight=False)

    def host_started(self, task: HostTask) -> None:
        """A host."""
        with self._lock:
            self._tasks[task.host.name] = task

    def host_ended(self, task: HostTask, result: HostResult) -> None:
        """A host."""
        with self._lock:
            self._tasks.pop(task.host.name, None)
            self._outcomes[result.outcome] += 1
        if result.outcome in (Outcome.CHANGED, Outcome.FAILED):
            words = f"{result.step}: {result.message}" if result.step else result.differs
            line = Text.assemble(
                f"  {result.host}  ",
                (result.outcome, _STYLES[result.outcome]),
                f"  {result.duration_s:.1f} s  ",
                plain(words),
            )
            self._console.print(line, soft_wrap=True)

    def _render(self) -> Group:
        with self._lock:
            tasks = sorted(self._tasks.values(), key=lambda task: task.begun_s)
            counts = [(outcome, number) for outcome, number in self._outcomes.items() if number]
            done = sum(self._outcomes.values())
            head = Text.assemble((self._title, "bold"), f"  {done} of {self._hosts_in_batch}")
        for outcome, number in counts:
            head.append(f"  {number} {outcome}", _STYLES[outcome])
        table = Table.grid(padding=(0, 2))
        for task in tasks[:_MAX_ROWS]:
            sent = f"{task.sent / 1e6:.1f} MB" if task.sent else ""
            table.add_row(f"  {task.host.name}", task.step, sent, f"{task.duration_s:.0f} s")
        more = [Text(f"  and {len(tasks) - _MAX_ROWS} more", style="dim")] if len(tasks) > _MAX_ROWS else []
        return Group(head, table, *more)


def show_report(report: RolloutReport, console: Console) -> None:
    """A table of the hosts, what to do about those that failed, and one line over all."""
    console.print(_table(report.hosts))
    failed = [result for result in report.hosts if result.outcome is Outcome.FAILED]
    for result in failed:
        where = f" at {result.step}" if result.step else ""
        console.print(
            Text.assemble((f"{result.host}", "bold"), f" failed{where}: {result.cause}: {plain(result.message)}"),
            Text(f"  do: {result.hint}"),
            sep="\n",
            soft_wrap=True,
        )
    if report.stopped:
        console.print(Text(f"stopped: {report.stopped}", style="yellow"), soft_wrap=True)
    console.print(summary(report), highlight=False, soft_wrap=True)


def summary(report: RolloutReport) -> str:
    """One line: `8 hosts: 8 unchanged; 0 bytes sent; 0.8 s`. Pure."""
    counts = [f"{report.count(outcome)} {outcome}" for outcome in Outcome if report.count(outcome)]
    sent = sum(result.bytes_sent for result in report.hosts)
    shown = f"{sent} bytes" if sent < 10_000 else f"{sent / 1e6:.1f} MB"
    hosts = f"{len(report.hosts)} host{'' if len(report.hosts) == 1 else 's'}"
    return f"{hosts}: {', '.join(counts)}; {shown} sent; {report.duration_s:.1f} s"


def plain(text: str) -> str:
    """`text`, which may come from a host, in one line and without what could steer a terminal. Pure."""
    line = re.sub(r"\s+", " ", text).strip()
    return "".join(character if character.isprintable() else "\ufffd" for character in line)


def _table(results: Sequence[HostResult]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading, justify in (
        ("host", "left"),
        ("outcome", "left"),
        ("release", "left"),
        ("sent", "right"),
        ("s", "right"),
    ):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("what", overflow="fold")
    for result in results:
        table.add_row(
            result.host,
            Text(result.outcome, style=_STYLES[result.outcome]),
            _releases(result),
            f"{result.bytes_sent / 1e6:.1f} MB" if result.bytes_sent else "0",
            f"{result.duration_s:.1f}",
            Text(plain(f"{result.cause}" if result.cause else result.differs)),
        )
    return table


def _releases(result: HostResult) -> str:
    before, after = (name[:8] if name else "–" for name in (result.before, result.after))
    return after if before == after else f"{before} → {after}"
