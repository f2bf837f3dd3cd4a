"""The live view of a run: one block that is redrawn in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

PLAIN_INTERVAL_S = 5.0
PLAIN_STEP_INTERVAL_S = 2.0
"""Shortest interval between two lines on the progress of one step, `step: progress`, in seconds."""


@dataclass(frozen=True)
class LatestArrivals:
    """Arrivals of the open model in the latest seconds that all workers have reported, per second; and service times, None: none yet."""

    offered_per_s: float
    started_per_s: float
    missed_per_s: float
    """Found no user free, or were given up."""
    late_per_s: float
    service_p50_ms: float | None
    service_p95_ms: float | None
    service_p99_ms: float | None


@dataclass(frozen=True)
class Snapshot:
    """The run at one moment. Rate, errors and latencies are of the latest seconds that all workers have reported; None: none yet.

    `in_flight` requests had not been answered at the end of the latest of these seconds; the oldest had been waiting for
    `oldest_s` then, 0 when for less than a second.
    """

    phase: str
    offset_s: float
    left_s: float | None
    """None where the load takes as long as its shape says."""
    users: int
    users_planned: int
    rate_per_s: float
    error_share: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    in_flight: int
    oldest_s: float
    exceptions: int
    """Exceptions that users' code let through so far."""
    simulated: bool
    nodes_expected: int
    nodes_ready: int
    nodes_hot: int
    nodes_lost: int
    arrivals: LatestArrivals | None = None
    """None in the closed model."""


class View(Protocol):
    """Shows a run. A context manager: entered when there is something to show, left when the run is over."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show_step(self, text: str) -> None:
        """Show the step that is being done now."""

    def warn(self, text: str) -> None:
        """Show a warning that the operator should act on; it stays on the screen."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the run as it is now; called about once a second."""


def create_view(console: Console, title: str) -> View:
    """A TerminalView where the console is a terminal, else a PlainView."""
    return TerminalView(console, title) if console.is_terminal else PlainView(console)


class PlainView:
    """Lines for a log: each step, and the figures every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._due_s = 0.0
        self._shown_phase = ""
        self._shown_waiting = False
        self._last_step = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show_step(self, text: str) -> None:
        """Print the step, and its progress now and then."""
        step, now_s = text.partition(":")[0], time.monotonic()
        if step != self._last_step[0] or now_s - self._last_step[1] > PLAIN_STEP_INTERVAL_S:
            self._print(text)
            self._last_step = (step, now_s)

    def warn(self, text: str) -> None:
        """Print it."""
        self._print(f"WARNING: {text}")

    def show(self, snapshot: Snapshot) -> None:
        """Print one line of figures: every few seconds, and at once in a new phase and when requests begin to wait for a second or longer."""
        waits = snapshot.oldest_s > 0
        is_news = snapshot.phase != self._shown_phase or (waits and not self._shown_waiting)
        if snapshot.offset_s < self._due_s and not is_news:
            return
        self._shown_phase, self._shown_waiting = snapshot.phase, waits
        self._due_s = snapshot.offset_s + PLAIN_INTERVAL_S
        self._print(
            f"{_clock(snapshot.offset_s)}  {snapshot.phase}, {_left(snapshot)}  "
            f"users {snapshot.users}/{snapshot.users_planned}  {snapshot.rate_per_s:.0f} req/s  "
            f"errors {snapshot.error_share:.2%}  p50/p95/p99 {_ms(snapshot.p50_ms)}/{_ms(snapshot.p95_ms)}/"
            f"{_ms(snapshot.p99_ms)} ms  {_arrivals(snapshot.arrivals)}{_in_flight(snapshot)}{_exceptions(snapshot)}{_nodes(snapshot)} {snapshot.nodes_ready} ready {snapshot.nodes_hot} hot "
            f"{snapshot.nodes_lost} lost"
        )

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class TerminalView:
    """One block that stays in place. It is gone when the run is over: what counts is printed then."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._step = ""
        self._snapshot: Snapshot | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show_step(self, text: str) -> None:
        """Show the step in the title line."""
        self._step = text
        self._draw()

    def warn(self, text: str) -> None:
        """Print it above the block."""
        self._live.console.print(f"WARNING: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    def show(self, snapshot: Snapshot) -> None:
        """Redraw with new figures."""
        self._step, self._snapshot = "", snapshot
        self._draw()

    def _draw(self) -> None:
        self._live.update(Group(*self._lines()), refresh=True)

    def _lines(self) -> list[RenderableType]:
        snapshot = self._snapshot
        head = Text.assemble((self._title, "bold"), "  ", (self._step or (snapshot.phase if snapshot else ""), "cyan"))
        if snapshot is None:
            return [head]
        total_s = snapshot.offset_s + (snapshot.left_s or 0.0)
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            ProgressBar(total=max(total_s, 1e-9), completed=snapshot.offset_s, width=48),
            Text(_left(snapshot), style="dim"),
        )
        figures = Table.grid(padding=(0, 3))
        for _ in range(6):
            figures.add_column(justify="right", min_width=8)
        figures.add_row(
            *(Text(name, style="dim") for name in ("users", "req/s", "errors", "p50 ms", "p95 ms", "p99 ms"))
        )
        figures.add_row(
            f"{snapshot.users}/{snapshot.users_planned}",
            f"{snapshot.rate_per_s:.0f}",
            Text(f"{snapshot.error_share:.2%}", style="red" if snapshot.error_share else ""),
            _ms(snapshot.p50_ms),
            _ms(snapshot.p95_ms),
            _ms(snapshot.p99_ms),
        )
        nodes = Text.assemble(
            (f"{_nodes(snapshot)}  ", "dim"),
            f"{snapshot.nodes_ready}/{snapshot.nodes_expected} ready",
            "   ",
            (f"{snapshot.nodes_hot} hot", "yellow" if snapshot.nodes_hot else "dim"),
            "   ",
            (f"{snapshot.nodes_lost} lost", "red" if snapshot.nodes_lost else "dim"),
        )
        waiting = Text.assemble(
            (_in_flight(snapshot), "yellow" if snapshot.oldest_s else "dim"), (_exceptions(snapshot), "red")
        )
        arrivals: list[RenderableType] = (
            [] if snapshot.arrivals is None else [Text(), _arrivals_table(snapshot.arrivals)]
        )
        return [head, bar, Text(), figures, *arrivals, Text(), waiting, nodes]


def _arrivals_table(arrivals: LatestArrivals) -> Table:
    table = Table.grid(padding=(0, 3))
    columns = (
        ("offered/s", Text(f"{arrivals.offered_per_s:.0f}")),
        ("started/s", Text(f"{arrivals.started_per_s:.0f}")),
        ("missed/s", Text(f"{arrivals.missed_per_s:.1f}", style="red" if arrivals.missed_per_s else "")),
        ("late/s", Text(f"{arrivals.late_per_s:.1f}", style="yellow" if arrivals.late_per_s else "")),
        ("service p50", Text(_ms(arrivals.service_p50_ms))),
        ("p95 ms", Text(_ms(arrivals.service_p95_ms))),
        ("p99 ms", Text(_ms(arrivals.service_p99_ms))),
    )
    for _ in columns:
        table.add_column(justify="right", min_width=8)
    table.add_row(*(Text(name, style="dim") for name, _ in columns))
    table.add_row(*(value for _, value in columns))
    return table


def _arrivals(arrivals: LatestArrivals | None) -> str:
    if arrivals is None:
        return ""
    return (
        f"service {_ms(arrivals.service_p50_ms)}/{_ms(arrivals.service_p95_ms)}/{_ms(arrivals.service_p99_ms)} ms  "
        f"arrivals {arrivals.started_per_s:.0f} of {arrivals.offered_per_s:.0f}/s, {arrivals.missed_per_s:.1f} missed,"
        f" {arrivals.late_per_s:.1f} late  "
    )


def _in_flight(snapshot: Snapshot) -> str:
    oldest = f", oldest {snapshot.oldest_s:.0f} s" if snapshot.oldest_s else ""
    return f"in flight {snapshot.in_flight}{oldest}  "


def _exceptions(snapshot: Snapshot) -> str:
    return f"exceptions {snapshot.exceptions}  " if snapshot.exceptions else ""


def _nodes(snapshot: Snapshot) -> str:
    return "simulated nodes" if snapshot.simulated else "nodes"


def _left(snapshot: Snapshot) -> str:
    return "until the shape ends" if snapshot.left_s is None else f"{_clock(snapshot.left_s)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"
