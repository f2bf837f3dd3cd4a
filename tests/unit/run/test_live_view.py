"""The lines that a run prints to a log while it runs."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from master.run.live_view import LatestArrivals, PlainView, Snapshot, TerminalView


def snapshot(offset_s: float, oldest_s: float, phase: str = "hold") -> Snapshot:
    return Snapshot(
        phase=phase,
        offset_s=offset_s,
        left_s=60 - offset_s,
        users=40,
        users_planned=40,
        rate_per_s=700.0,
        error_share=0.0,
        p50_ms=27.0,
        p95_ms=90.0,
        p99_ms=160.0,
        in_flight=40,
        oldest_s=oldest_s,
        exceptions=0,
        simulated=False,
        nodes_expected=6,
        nodes_ready=6,
        nodes_hot=0,
        nodes_lost=0,
    )


def never(_second: int) -> float:
    return 0.0


def from_7(second: int) -> float:
    return max(0.0, second - 6.0)


def in_odd_seconds(second: int) -> float:
    return float(second % 2)


@pytest.mark.parametrize(
    ("oldest_s", "lines_at"),
    [(never, [0, 5, 10, 15]), (from_7, [0, 5, 7, 12]), (in_odd_seconds, [0, 1, 6, 7, 12, 13])],
)
def test_figures_come_every_five_seconds_and_once_at_once_when_requests_begin_to_wait(
    oldest_s: Callable[[int], float], lines_at: list[int]
) -> None:
    """Figures come every five seconds, and once at once when requests begin to wait, so that a hanging target shows early."""
    written = io.StringIO()
    with PlainView(Console(file=written)) as view:
        for second in range(17):
            view.show(snapshot(float(second), oldest_s(second)))
    assert [int(line.split()[0].partition(":")[2]) for line in written.getvalue().splitlines()] == lines_at


def test_a_new_phase_shows_at_once() -> None:
    """A new phase is shown at once, so that the log has the beginning of every hold, however short."""
    written = io.StringIO()
    with PlainView(Console(file=written)) as view:
        for second in range(9):
            view.show(snapshot(float(second), 0.0, phase="ramp" if second < 2 else "hold"))
    assert [line.split()[:2] for line in written.getvalue().splitlines()] == [
        ["0:00", "ramp,"],
        ["0:02", "hold,"],
        ["0:07", "hold,"],
    ]


ARRIVALS = LatestArrivals(500.0, 497.0, 3.0, 0.4, 12.0, 30.0, None)


def test_a_line_of_the_open_model_tells_arrivals_and_service_times() -> None:
    """What was offered, started, missed and late per second is on the line, with both kinds of percentiles."""
    written = io.StringIO()
    with PlainView(Console(file=written)) as view:
        view.show(replace(snapshot(0.0, 0.0), arrivals=ARRIVALS))
    line = written.getvalue()
    assert "p50/p95/p99 27.0/90.0/160 ms  service 12.0/30.0/– ms  arrivals 497 of 500/s, 3.0 missed, 0.4 late" in line


def test_a_terminal_has_a_row_of_arrivals_in_the_open_model_alone() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    view = TerminalView(console, "run")
    for arrivals, shown in ((None, False), (ARRIVALS, True)):
        view.show(replace(snapshot(0.0, 0.0), arrivals=arrivals))
        with console.capture() as capture:
            console.print(*view._lines())
        text = capture.get()
        assert ("offered/s" in text) is shown
        assert ("497" in text) is shown
