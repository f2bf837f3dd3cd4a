"""The comparison of a run with the truth finds runs out that lie, shown with made-up figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from truth_cases import CASES, Case
from truth_figures import Asked, Compared, Figures, asked, percentile, truth_of_schedule
from truth_rows import Row
from truth_target import Served

HEALTHY, APART, NAMED = Case("a", "", "VALID"), Case("b", "", "APART"), Case("c", "", "NAMED", node="sim002")


def row(case: Case, status: int, measured: float, **changes: object) -> Row:
    """A run whose every figure is `measured` where the truth is 100 ms."""
    told = {"reason": "for a reason", "verdict": "PASS", "excluded_share": 0.1, "validity": [{"nodes": ["sim002"]}]}
    compared = [Compared(name, 100.0, measured) for name in ("p50", "p90", "p95", "p99", "/fixed p99")]
    figures = {"unfit_nodes": {"sim002": 5}, "target_late": 0.0, "found": 1.0, **changes}
    return Row(case, status, Figures(told, compared, compared, **figures), 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("measured", [98.9 + 0.01, 100.0, 101.1])
def test_what_is_within_one_percent_and_a_fifth_of_a_millisecond_is_true(measured: float) -> None:
    assert (row(HEALTHY, 0, measured).lies, row(HEALTHY, 0, measured).fault) == (False, "")


def test_a_figure_may_be_that_of_a_rank_beside_its_own_where_those_are_told() -> None:
    """Between truths of 90 and 110 ms each figure is true that is within the bound of one of them or between them."""
    figures = [Compared("p99", 100.0, measured, (90.0, 110.0)) for measured in (88.8, 89.0, 111.2, 111.4)]
    assert [each.true for each in figures] == [False, True, True, False]


@pytest.mark.parametrize("measured", [98.7, 101.3, 200.0])
@pytest.mark.parametrize("status", [0, 1])
def test_a_run_that_calls_itself_valid_with_figures_that_are_not_true_lies(measured: float, status: int) -> None:
    for case in (HEALTHY, APART, NAMED):
        assert row(case, status, measured).lies
        assert row(case, status, measured).fault.startswith("LIES: p50 100.0 → ")


def test_a_run_that_calls_itself_invalid_does_not_lie_but_a_case_may_ask_for_more() -> None:
    assert not row(HEALTHY, 3, 200.0).lies
    assert row(HEALTHY, 3, 100.0).fault == "too careful: for a reason"
    assert row(APART, 3, 200.0).fault == "what is left is not true"
    assert row(NAMED, 3, 100.0).fault == ""
    assert row(NAMED, 3, 100.0, unfit_nodes={"sim001": 5}).fault == "sim002 is not named"


def test_a_run_whose_truth_is_not_known_is_spoilt() -> None:
    assert row(HEALTHY, 0, 100.0).spoilt == ""
    assert row(HEALTHY, 0, 100.0, target_late=0.2).spoilt
    assert row(HEALTHY, 0, 100.0, found=0.9).spoilt


@pytest.mark.parametrize(
    ("status", "unanswered", "hanging", "broken", "shown_s", "fault"),
    [
        (1, 40, 40, True, 107.5, ""),
        (3, 40, 40, True, 107.5, ""),
        (0, 40, 40, True, 107.5, "was not to PASS"),
        (1, 40, 40, False, 107.5, "was not ended by p95 < 1 s"),
        (1, 40, 40, True, None, "did not show that requests hang"),
        (1, 39, 40, True, 107.5, "tells of 39 requests without an answer, there were 40"),
        (1, 0, 0, True, 107.5, "tells of 0 requests without an answer, there were 0"),
    ],
)
def test_a_run_whose_target_hangs_must_show_it_count_it_and_be_ended_by_its_rule(  # noqa: PLR0917  # the columns of a table
    status: int, unanswered: int, hanging: int, broken: bool, shown_s: float | None, fault: str
) -> None:
    made_up = row(Case("d", "", "HANGS", abort="p95 < 1 s"), status, 100.0, hanging=hanging, load_ended_s=109.0)
    made_up.figures.result["requests"] = {"unanswered": unanswered}
    made_up.figures.result["thresholds"] = [{"rule": "p95 < 1 s, abort", "ok": not broken}]
    found = replace(made_up, hung_s=100.0, shown_s=shown_s)
    assert found.fault == fault
    assert found.ended_by_rule_s == (9.0 if broken else None)


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (50, 99, 99.9)] == [50.0, 99.0, 100.0]


def served(  # noqa: PLR0917  # read as a row
    asker: str, number: int, arrived_s: float, took_s: float, ended_before_s: float = 0.0, answered: bool = True
) -> Served:
    mark = f"{asker},{number},{ended_before_s}"
    return Served("/fixed", mark, arrived_s, arrived_s, arrived_s + took_s, arrived_s + took_s, answered)


def test_a_request_ended_when_the_next_of_its_asker_says_so() -> None:
    found = asked([served("sim001_0.7", 2, 11.0, 0.1, 10.5), served("sim001_0.7", 1, 10.0, 0.1)])
    assert [(each.node, each.number, each.ended_s) for each in found] == [("sim001", 1, 10.5)]


def test_a_request_that_is_given_up_took_until_then_and_no_later_one_needs_to_say_so() -> None:
    (found,) = asked([served("sim001_0.7", 1, 10.0, 9.5, answered=False)])
    assert (found.service_ms, found.ended_s) == (9500, 19.5)


def test_the_truth_of_a_schedule_does_not_depend_on_when_the_generator_asked() -> None:
    """When a target with a task due every second takes 2.5 s once, the next two are late for it, whenever the generator asked."""

    def met(arrivals_s: tuple[float, ...], took_s: tuple[float, ...]) -> list[float]:
        chain = [
            Asked("/fixed", "sim001", "a", number, served("a", number, at_s, takes_s), 0.0)
            for number, (at_s, takes_s) in enumerate(zip(arrivals_s, took_s, strict=True), 1)
        ]
        truth = truth_of_schedule(chain, 1.0)
        return [truth[id(each)] for each in chain]

    stalled = [500, 2500, 2000, 1500, 1000, 500]
    took_s = (0.5, 2.5, 0.5, 0.5, 0.5, 0.5)
    assert met((10, 11, 13.5, 14, 14.5, 15), took_s) == pytest.approx(stalled)
    assert met((10, 11, 13.6, 14.3, 14.9, 15.8), took_s) == pytest.approx(stalled)
    assert met((10, 11, 15, 15.5), (0.5,) * 4) == pytest.approx([500] * 4)


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
