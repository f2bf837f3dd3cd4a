"""The report of an open run shows what was offered, and latency and service time side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judged_run import SECONDS, fit_log, run_facts
from judged_run import fill as fill_closed
from judged_run import scenario as closed
from open_run import CLASS, RATE, arrivals, fill, scenario

from master.judge.faults import Faults
from master.judge.outcome import conclude
from master.judge.result import Result
from master.judge.run_facts import CacheCounts
from master.report.html import render
from master.report.page.context import page
from master.report.page.key_figures import key_figures
from master.report.series import Axis, arrival_lines, target_lines
from master.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


def concluded(store: Store) -> Result:
    facts = run_facts(offered=RATE * SECONDS, start_skew_s=0.0021, cache=CacheCounts(90, 10))
    return conclude(scenario("missed < 10 %"), store, fit_log(), facts)


def charts(result: Result, store: Store) -> dict[str, dict[str, Any]]:
    faults = Faults()
    found = page(result, store, "", faults)["data"]["charts"]
    assert not faults.found
    return {chart["id"]: chart for chart in found}


def line(chart: dict[str, Any], name: str) -> list[float | None]:
    (found,) = [line["y"] for line in chart["data"] if line["name"] == name]
    return found  # type: ignore[no-any-return]


def test_charts_show_arrivals_by_what_became_of_them_and_both_kinds_of_latency(store: Store) -> None:
    """Latency and service time have the same scale; the target's own figures have a chart too."""
    fill(store, arrivals(93, missed=4, late=2, given_up=1, lateness_ms=0.5))
    found = charts(concluded(store), store)
    names = ["arrivals", "lateness", "rate", "latency", "service-time", "users", "lag", "nodes", "target"]
    assert list(found)[: len(names)] == names
    drawn = found["arrivals"]
    assert [line(drawn, name)[3] for name in ("offered", "started", "missed", "late")] == [100, 93, 5, 2]
    assert line(found["lateness"], "p99")[3] == pytest.approx(0.5, rel=0.01)
    assert line(found["latency"], "p95")[3] == pytest.approx(30.0, rel=0.01)
    assert line(found["service-time"], "p95")[3] == pytest.approx(20.0, rel=0.01)
    ranges = [found[name]["layout"]["yaxis"]["range"] for name in ("latency", "service-time")]
    assert ranges[0] == ranges[1]
    assert line(found["target"], "memory, MiB")[3] == 103


def test_the_page_tells_what_was_offered_and_whose_fault_each_miss_is(store: Store) -> None:
    fill(store, arrivals(93, missed=4, late=2, given_up=1))
    result = concluded(store)
    faults = Faults()
    source = render(result, store, "", faults)
    assert not faults.found
    for text in (
        "was the load offered as scheduled?",
        "2,000 arrivals were due in the whole run",
        "off by more than 2.10 ms",
        CLASS,
        "no free user",
        "service p95",
        "The target itself",
        "90 hits, 10 misses, by its own counters",
    ):
        assert text in source
    (offered, started, missed, late), *_ = key_figures(result)
    assert [figure.value for figure in (offered, started, missed, late)] == ["2,000", "1,860", "140", "40"]
    assert missed.note == "80 by the target's fault, 60 by the generator's"
    latency = key_figures(result)[2]
    assert latency[1].note == "service time 20.0\u00a0ms"


def test_the_closed_models_page_has_no_word_of_arrivals(store: Store) -> None:
    fill_closed(store)
    result = conclude(closed(), store, fit_log(), run_facts())
    source = render(result, store, "", Faults())
    assert "was the load offered" not in source
    assert "service p95" not in source
    assert "The target itself" not in source
    assert not {"arrivals", "lateness", "service-time", "target"} & set(charts(result, store))
    assert json.loads(json.dumps([figure.name for figure in key_figures(result)[0]]))[0] == "requests"


def test_spans_of_several_seconds_show_rates_per_second(store: Store) -> None:
    """A point that stands for several seconds has the mean rate of what came in them, and the peak of what the target used."""
    fill(store, arrivals(90, missed=10))
    axis = Axis(0, SECONDS, 8)
    lines = arrival_lines(store, axis, store.seconds())
    assert lines.offered_per_s == [100, 100, 100]
    assert lines.started_per_s == [90, 90, 90]
    assert lines.missed_per_s == [10, 10, 10]
    assert target_lines(store, axis)["CPU"] == [47, 55, 59]
