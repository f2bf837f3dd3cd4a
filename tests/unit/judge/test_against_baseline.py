"""Rules against a baseline, judged by the comparison of the whole runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from compared_runs import scenario, stored_run
from judged_run import fill, fit_log, run_facts
from judged_run import scenario as judged_scenario

from master.analysis.compare.files import BASELINE_KEY, check_baseline, compare_runs, compare_with_baseline
from master.errors import InputError
from master.judge.outcome import conclude
from master.judge.result import Comparison, Floors
from master.judge.target.against_baseline import baseline_outcome
from master.run.start.baseline import plan_baseline
from master.scenario import parse_threshold
from master.store import Store


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a baseline, and with a run in which logins take 15 % longer."""
    folder = tmp_path_factory.mktemp("runs")
    stored_run(folder / "before")
    stored_run(folder / "slower", seed=2, slower=1.15)
    return folder


@pytest.fixture(scope="module")
def comparison(runs: Path) -> Comparison:
    """The two, compared."""
    return compare_runs(runs / "before", runs / "slower", Floors())


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("POST /login p95 not worse than baseline by 10 %", False),
        ("POST /login p95 not worse than baseline by 30 %", True),
        ("GET /items p95 not worse than baseline by 10 %", True),
        ("errors not worse than baseline by 0", True),
        ("rate not worse than baseline by 10 %", True),
    ],
)
def test_a_figure_that_is_worse_by_more_than_the_limit_breaks_the_rule(
    comparison: Comparison, text: str, ok: bool
) -> None:
    """A rule is broken by a figure that is worse by more than it allows and not by chance; its message has both values."""
    row = baseline_outcome(parse_threshold(text), comparison)
    assert row is not None
    assert row.ok is ok
    assert "the change lies within" in row.message
    assert "→" in row.message


def test_what_is_worse_but_perhaps_by_chance_is_unknown(comparison: Comparison) -> None:
    """A figure that is worse by more than the limit, while its interval has no change in it, says nothing for sure."""
    unsure = msgspec.convert(msgspec.to_builtins(comparison), Comparison)
    assert unsure.overall is not None
    unsure.overall.p95_ms.change_low = -0.02
    row = baseline_outcome(parse_threshold("p95 not worse than baseline by 5 %"), unsure)
    assert row is not None
    assert row.ok is None
    assert "it may be chance" in row.message


def test_a_difference_below_what_the_generator_can_tell_breaks_nothing(comparison: Comparison) -> None:
    """A latency that is longer by less than clocks and kernel may add holds the rule, whatever that is in percent."""
    tiny = msgspec.convert(msgspec.to_builtins(comparison), Comparison)
    assert tiny.overall is not None
    figure = tiny.overall.p50_ms
    figure.baseline, figure.run, figure.change, figure.change_low, figure.change_high = 0.4, 0.5, 0.25, 0.2, 0.3
    row = baseline_outcome(parse_threshold("p50 not worse than baseline by 10 %"), tiny)
    assert row is not None
    assert row.ok


def test_a_rule_is_unknown_where_there_is_nothing_to_compare(comparison: Comparison, runs: Path) -> None:
    """Without a comparison, of runs that can't be compared, or of an endpoint that one run did not ask for, it is unknown why."""
    rule = parse_threshold("GET /other p95 not worse than baseline by 10 %")
    refused = compare_runs(runs / "before", stored_run(runs / "invalid", verdict="INVALID"), Floors())
    for found, said in (
        (None, "has not been compared"),
        (refused, "can't be compared: the run is INVALID"),
        (comparison, "neither run asked for GET /other"),
    ):
        row = baseline_outcome(rule, found)
        assert row is not None
        assert row.ok is None
        assert said in row.message
    assert baseline_outcome(parse_threshold("p95 < 5 ms"), comparison) is None


def test_a_run_that_is_slower_than_its_baseline_fails(tmp_path: Path, comparison: Comparison) -> None:
    """A run that holds all else, and is slower than its baseline allows, is FAIL, with the comparison and the rule in the result."""
    store = Store(tmp_path / "run.db", create=True)
    fill(store)
    plan = judged_scenario("POST /login p95 not worse than baseline by 10 %", "errors < 5 %")
    found = conclude(plan, store, fit_log(), run_facts(), lambda _result: comparison)
    assert found.verdict == "FAIL"
    assert "POST /login p95 not worse than baseline by 10 %" in found.reason
    assert found.comparison is comparison
    assert comparison.run.verdict == "FAIL"
    rule = next(row for row in found.thresholds if "baseline" in row.rule)
    assert rule.metric == "p95 worse than baseline"
    assert rule.limit_share == 0.1
    assert rule.observed == pytest.approx(0.15, abs=0.06)
    store.close()


def test_a_baseline_that_is_gone_makes_the_run_no_pass(tmp_path: Path) -> None:
    """A baseline that was removed while the run was on is told as such, and the run is not PASS."""
    store = Store(tmp_path / "run.db", create=True)
    fill(store)
    store.put_meta(BASELINE_KEY, str(tmp_path / "gone"))
    plan = judged_scenario("p95 not worse than baseline by 10 %")
    found = conclude(plan, store, fit_log(), run_facts(), lambda result: compare_with_baseline(result, store, plan))
    assert found.verdict == "INVALID"
    assert found.faults == [f"the comparison: unknown, {tmp_path}/gone is no run directory"]
    store.close()


def test_a_baseline_is_checked_before_anything_is_started(runs: Path) -> None:
    """A baseline that the run could not be compared with is refused at once, with every reason."""
    rule = parse_threshold("POST /logn p95 not worse than baseline by 10 %")
    check_baseline(runs / "before", scenario(), simulated=True)
    with pytest.raises(InputError, match="no run directory"):
        check_baseline(runs, scenario(), simulated=True)
    for plan, simulated, said in (
        (scenario(name="other"), True, "other scenario"),
        (scenario(), False, "one of the two is simulated"),
        (replace(scenario(), thresholds=(rule,)), True, "never asked for POST /logn; did you mean 'POST /login'"),
    ):
        with pytest.raises(InputError, match=said):
            check_baseline(runs / "before", plan, simulated=simulated)


def test_without_a_baseline_its_rules_are_left_out_with_a_warning(runs: Path) -> None:
    """The first run of a scenario has no baseline: rules against one are not judged, and that is said."""
    plan = scenario(
        thresholds=(parse_threshold("p95 not worse than baseline by 10 %"), parse_threshold("errors < 1 %"))
    )
    planned, warnings = plan_baseline(None, plan, simulated=True)
    assert [rule.text for rule in planned.thresholds] == ["errors < 1 %"]
    assert len(warnings) == 1
    assert "is not judged" in warnings[0]
    assert plan_baseline(runs / "before", plan, simulated=True) == (plan, [])
