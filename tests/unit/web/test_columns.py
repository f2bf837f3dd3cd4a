"""A run over time as the page draws it: seconds of late, minutes before, nothing lost between."""

from __future__ import annotations

import pytest

from master.web.serve.columns import FIELDS, KEPT_SECONDS, Columns, Span, spans_of
from worker.load.histogram import ArrivalTally, EndpointStats


def tally(total: int, failed: int = 0, latency_ms: float = 10.0) -> EndpointStats:
    made = EndpointStats(total, failed)
    for _ in range(total - failed):
        made.histogram.add(latency_ms)
    return made


def second(start_s: int, total: int) -> Span:
    span = Span(start_s)
    span.seconds, span.users = 1, 5
    span.add_requests(tally(total), fit=True)
    return span


def test_a_span_has_all_requests_and_the_latencies_of_fit_workers() -> None:
    """Rates count what everybody finished; percentiles are of fit workers."""
    (span,) = spans_of([(7, 1, tally(10, 2), True), (7, 1, tally(5, latency_ms=900.0), False)])
    row = dict(zip(FIELDS, span.row(), strict=True))
    assert (row["offset_s"], row["rate_per_s"], row["errors_per_s"]) == (7, 15, 2)
    assert row["p99_ms"] is not None
    assert 9.8 < row["p99_ms"] < 10.2
    assert row["offered_per_s"] is None


def test_arrivals_are_told_in_the_open_model() -> None:
    """What was due and not started is told per second."""
    span = second(3, 4)
    span.offered = 10
    span.arrivals = ArrivalTally(started=4, missed=5, given_up=1)
    row = dict(zip(FIELDS, span.row(), strict=True))
    assert (row["offered_per_s"], row["missed_per_s"]) == (10, 6)


@pytest.mark.parametrize("beyond_s", [600, 601, 659])
def test_a_long_run_is_minutes_and_then_seconds_without_a_gap_or_an_overlap(beyond_s: int) -> None:
    """What is older than the seconds that are kept is there by minutes, and no span counts twice."""
    columns, length_s = Columns(), KEPT_SECONDS + beyond_s
    for start_s in range(length_s):
        columns.add(second(start_s, 3))
    rows = list(columns.rows())
    ends = [(row[0] or 0) + (row[1] or 0) for row in rows]
    assert [row[0] for row in rows][1:] == ends[:-1]
    assert (rows[0][0], ends[-1]) == (0, length_s)
    assert len(rows) == length_s - 59 * -(-beyond_s // 60)
    assert all(row[FIELDS.index("rate_per_s")] == 3 for row in rows)


def test_what_the_store_has_thinned_comes_as_it_is() -> None:
    """Spans of a minute in run.db are rows of a minute."""
    columns = Columns()
    for span in spans_of([(0, 60, tally(120), True), (60, 60, tally(60), True), (120, 1, tally(2), True)]):
        columns.add(span)
    assert [(row[0], row[1], row[3]) for row in columns.rows()] == [(0, 60, 2), (60, 60, 1), (120, 1, 2)]
