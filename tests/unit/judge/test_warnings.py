"""Warnings about a run's requests: names with ids in them, and impossible times."""

from __future__ import annotations

import msgspec
import pytest
from report_example import tally

from master.judge.result import DataResult
from master.judge.warnings import ALIKE, Shortage, lost_spans, untaken_rows, warnings_for
from master.scenario.rules import Endpoint
from master.store import OTHER, ErrorRow
from worker.load.histogram import EndpointStats
from worker.tracing.span import LOST_SPANS


def named(*names: str) -> dict[Endpoint, EndpointStats]:
    return {("GET", name): tally(5.0) for name in names}


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ([f"/ok?product={number}" for number in range(ALIKE)], "/ok?product=[id]"),
        ([f"/items/{number:032x}/parts" for number in range(ALIKE)], "/items/[id]/parts"),
        ([f"/{number:08x}-0000-1000-8000-00805f9b34fb" for number in range(ALIKE)], "/[id]"),
    ],
)
def test_endpoints_that_differ_in_ids_alone_are_pointed_out_with_the_remedy(names: list[str], pattern: str) -> None:
    (warning,) = warnings_for(named(*names), 60)
    assert warning.startswith(f"{ALIKE} endpoints are named alike but for ids in them: give such requests one name")
    assert f'name="{pattern}" for those to GET {pattern}' in warning
    assert warnings_for(named(*names[1:]), 60) == []


def test_names_beyond_the_last_place_are_said_to_be_counted_together() -> None:
    words, together = warnings_for(named("/a", "/b") | {OTHER: tally(*[1.0] * 7)}, 60)
    assert "with name=" in words
    assert together.startswith("7 requests had names beyond the first 1000")


@pytest.mark.parametrize(
    ("latency_ms", "says"),
    [(5e6, "GET /a is said to have taken 5000 s, longer than the run"), (float("inf"), "to have taken for ever")],
)
def test_a_request_that_is_said_to_have_taken_longer_than_the_run_is_doubted(latency_ms: float, says: str) -> None:
    """A request that is said to take longer than the run is doubted, as when nanoseconds stand for milliseconds."""
    (warning,) = warnings_for({("GET", "/a"): tally(5.0, latency_ms), ("GET", "/b"): tally(59_000.0)}, 60)
    assert says in warning
    assert "in ms?" in warning


@pytest.mark.parametrize(
    ("service_p99_ms", "says"),
    [
        (1000.0, "where answers take 1 s (service p99), about 1000 are busy; a larger max_users"),
        (20.0, "for moments answers took far longer than 99 % of them did (20 ms)"),
        (None, "found none of 50 users free"),
    ],
)
def test_missed_arrivals_come_with_how_many_users_would_have_been_busy(service_p99_ms: float | None, says: str) -> None:
    """500 arrivals a second of two requests each keep as many users busy as their answers take time."""
    (warning,) = warnings_for({}, 60, Shortage(900, 50, 500.0, 2.0, service_p99_ms))
    assert warning.startswith("900 arrivals found none of 50 users free")
    assert says in warning


def test_lost_spans_are_summed_up_with_their_reasons() -> None:
    """What else is among the errors is no span."""
    errors = [ErrorRow("", LOST_SPANS, "too slow", 5, 0.0), ErrorRow("", LOST_SPANS, "dead", 2, 0.0)]
    other = ErrorRow("GET", "/", "HTTP status 500", 9, 0.0)
    assert lost_spans([*errors, other]) == [
        "7 spans of traced requests did not reach the collector: too slow (5); dead (2)"
    ]
    assert lost_spans([other]) == []


def test_a_table_of_which_no_row_was_taken_is_told_of() -> None:
    """One whose holders were lost may have been used."""
    none = DataResult(
        name="accounts", use="unique", at_end="stop user", rows=3, taken=0, used=0, unsure=0, waits=0, longest_wait_ms=0,
        timeouts=0, stopped_users=0, ended_s=None,
    )  # fmt: skip
    taken, unsure = msgspec.structs.replace(none, taken=1), msgspec.structs.replace(none, unsure=1)
    assert untaken_rows([none, taken, unsure]) == [
        'data accounts: no user took any of its 3 rows; they are taken by rows("accounts").take()'
    ]
