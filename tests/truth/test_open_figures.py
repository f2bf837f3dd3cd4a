"""The comparison of an open run with the schedule finds out what does not add up or is not true, shown with made-up figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from open_cases import OPEN_CASES, OpenCase
from open_figures import (
    OpenFigures,
    lateness_ms,
    rate_at_the_end,
    requests_of,
    schedule_of,
    skew_between_nodes_ms,
)
from open_rows import OpenRow
from truth_cases import CASES
from truth_figures import JUDGED, Compared, Figures
from truth_target import Served


def row(must: str, status: int, measured_ms: float = 100.0, **changes: Any) -> OpenRow:
    """A run of 1000 arrivals, each of them started and counted by the target, apart from `changes`."""
    missed = {"total": 0, "no_free_user": 0, "while_unfit": 0, "given_up": 0, "lost": 0} | changes.pop("missed", {})
    load = (
        {"offered": 1000, "started": 1000, "late": 0, "start_skew_ms": 2.0, "lateness_ms": {"p99": 1.0}}
        | changes.pop("load", {})
        | {"missed": missed}
    )
    compared = [Compared(name, 100.0, measured_ms) for name in JUDGED]
    figures = Figures({}, compared, compared, {}, target_late=0.0, found=1.0)
    seen = {
        "due": 1000,
        "served": 1000,
        "rate_at_the_end": 1.0,
        "broken": [],
        "figures": figures,
        "skew_ms": 4.0,
        "late_p99_ms": 1.0,
    } | changes
    return OpenRow(OpenCase("a", "", must, 10, 10), status, OpenFigures(load=load, verdict="", reason="r", **seen), 1.0)


def test_a_run_that_started_each_arrival_and_is_true_holds() -> None:
    """Nothing is wrong where all add up and the latencies are true."""
    assert row("TRUE", 0).fault == ""


def test_latencies_that_are_not_true_are_a_lie() -> None:
    """A valid run whose percentiles are off by more than 1 % + 0.2 ms lies."""
    assert row("TRUE", 0, 101.1).fault == ""
    assert row("TRUE", 1, 101.3).fault.startswith("LIES: p50 100.0 → 101.3")


def test_nodes_that_are_further_apart_than_told_are_a_fault() -> None:
    """The start skew that a run tells bounds how far each node may be off."""
    assert row("TRUE", 0, skew_ms=5.9).fault == ""
    assert row("TRUE", 0, skew_ms=6.1).fault == "nodes were 6.1 ms apart, 2.0 ms were told for each"


@pytest.mark.parametrize(
    "changes",
    [
        {"load": {"offered": 999}},
        {"load": {"started": 999}},
        {"missed": {"total": 1}},
        {"load": {"offered": 1001, "started": 1001}},
    ],
)
@pytest.mark.parametrize("must", ["TRUE", "MISSED", "UNFIT", "SEEN", "REDEALT"])
def test_an_arrival_too_many_or_too_few_does_not_add_up(must: str, changes: dict[str, Any]) -> None:
    """In each case what was offered is the schedule's integral, and started and not started make it up."""
    assert row(must, 0, **changes).fault.startswith("does not add up")


def test_what_the_target_did_not_get_was_not_started() -> None:
    """A run that calls started what the target never had is found out."""
    assert row("TRUE", 0, served=999, figures=None).fault == "started 1000, the target had 999, the schedule 1000"
    assert row("UNFIT", 3, served=999, broken=["arrivals"]).fault == "started 1000, the target had 999"


def test_missed_arrivals_must_break_their_rule_and_nothing_else() -> None:
    """Arrivals for which no user was free are a FAIL by the rule on them, and are those that the target did not get."""
    half: dict[str, Any] = {
        "load": {"started": 500},
        "missed": {"total": 500, "no_free_user": 500},
        "served": 500,
        "figures": None,
    }
    rule = "missed < 1 % (default)"
    assert row("MISSED", 1, broken=[rule], **half).fault == ""
    assert row("MISSED", 0, broken=[], **half).fault.startswith("was not to be")
    assert row("MISSED", 1, broken=[rule, "errors < 1 %"], **half).fault.startswith("broke")
    few = {**half, "missed": {"total": 500, "no_free_user": 499, "lost": 1}}
    assert row("MISSED", 1, broken=[rule], **few).fault.startswith("missed 499 for want of a user")


def test_a_stall_that_is_not_seen_is_a_fault() -> None:
    """A run that passes though the target stalled hides the stall; one that fails, or says that it can't tell, does not."""
    assert [row("SEEN", status).fault for status in (0, 1, 3)] == ["PASSED with ", "", ""]


def test_a_dead_nodes_arrivals_are_lost_and_later_ones_dealt_to_others() -> None:
    """What a dead node had been dealt is lost, perhaps answered before; at the end the target has the whole rate again."""
    dead: dict[str, Any] = {"load": {"started": 970}, "missed": {"total": 30, "lost": 30}, "figures": None}
    assert row("REDEALT", 3, served=980, **dead).fault == ""
    assert row("REDEALT", 3, served=1001, **dead).fault.startswith("started 970 and lost 30")
    assert row("REDEALT", 3, served=980, rate_at_the_end=0.75, **dead).fault.startswith("at the end")
    assert row("REDEALT", 0).fault == "nothing was lost"


def served(number: int, arrived_s: float, took_s: float) -> Served:
    return Served("/fixed", f"sim001_0.0,{number},0", arrived_s, arrived_s, arrived_s + took_s, arrived_s + took_s)


def test_requests_that_are_sent_later_than_told_are_a_fault() -> None:
    """What users meet from the due time is latency and lateness together: neither may be more than is told."""
    assert row("TRUE", 0, late_p99_ms=3.2).fault == ""
    assert row("TRUE", 0, late_p99_ms=3.3).fault == "99 % arrived within 3.3 ms after they were due, 1.0 ms are told"


def test_lateness_counts_from_the_due_time() -> None:
    """A request that comes 300 ms after the others do is 300 ms later, whatever was sent before it."""
    requests = requests_of([served(2, 12.3, 0.1), served(1, 11.0, 0.1), served(3, 13.0, 0.4)])
    assert lateness_ms(requests, [1.0, 2.0, 3.0], 0.5) == pytest.approx([0.5, 300.5, 0.5])


def test_the_skew_is_between_the_medians_of_nodes() -> None:
    """A node whose requests come 30 ms after they are due is 30 ms behind one that is punctual."""
    found = requests_of([served(number, 10 + number + 0.03 * (number % 2), 0.1) for number in range(10)])
    found = [each._replace(node=f"sim{each.number % 2}") for each in found]
    assert skew_between_nodes_ms(found, range(10)) == pytest.approx(30)


def test_the_rate_at_the_end_is_a_share_of_the_schedules() -> None:
    """A target that has three of four requests in the last seconds has three quarters of the rate."""
    due_s = [number / 100 for number in range(1000)]
    assert rate_at_the_end(due_s, due_s) == 1
    fewer_s = [at_s for number, at_s in enumerate(due_s) if number % 4]
    assert rate_at_the_end(fewer_s, due_s) == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("case", OPEN_CASES, ids=[case.name for case in OPEN_CASES])
def test_a_cases_scenario_has_the_schedule_that_it_says(case: OpenCase, tmp_path: Path) -> None:
    """Each case is a scenario that is accepted, with half of the rate over the ramp and all of it over the hold."""
    file = tmp_path / "scenario.yml"
    file.write_text(json.dumps(case.scenario("http://127.0.0.1:1")))
    assert schedule_of(file).total == case.rate_per_s * (4 / 2 + case.hold_s)


def test_cases_of_both_models_have_names_of_their_own() -> None:
    """A name after `--only` means one case."""
    names = [case.name for case in (*CASES, *OPEN_CASES)]
    assert len({*names}) == len(names)
