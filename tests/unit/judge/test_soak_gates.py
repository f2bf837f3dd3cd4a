"""What a soak makes of the verdict of its run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from judged_run import fill, fit_log, run_facts, scenario
from soak_fleets import blocks_of

from master.analysis.soak.assess import judge
from master.analysis.soak.series import Series
from master.judge.outcome import conclude
from master.judge.result import Soak
from master.judge.soak_gates import with_soak
from master.judge.verdict import Verdict
from master.report.junit import write_junit
from master.scenario import SoakLimits
from master.store import Store

DAY = blocks_of(24)
MB = 1e6
REASON = "Every threshold held, and the generator was fit to measure it."


def soak(*leaking: str, limits: tuple[str, ...] = ("target_memory", "node_memory")) -> Soak:
    """A day of the target and one node, of which some leak 48 MB."""
    random = np.random.default_rng(40)
    series = {
        metric: [Series(metric, 60 * MB + (2e5 * random.standard_normal(DAY.count)) + leak)]
        for metric in ("target_memory", "node_memory")
        for leak in [np.linspace(0, 48 * MB, DAY.count) if metric in leaking else 0.0]
    }
    return judge(series, DAY, dict.fromkeys(limits, 10 * MB))


@pytest.mark.parametrize(
    ("leaking", "verdict"),
    [
        ((), Verdict.PASS),
        (("target_memory",), Verdict.FAIL),
        (("node_memory",), Verdict.INVALID),
        (("target_memory", "node_memory"), Verdict.INVALID),
    ],
)
def test_a_drift_of_the_target_fails_a_run_and_one_of_the_generator_makes_it_invalid(
    leaking: tuple[str, ...], verdict: Verdict
) -> None:
    """As with all rules, what is wrong with the generator comes first."""
    found, reason = with_soak(Verdict.PASS, REASON, soak(*leaking))
    assert found is verdict
    if "target_memory" in leaking:
        assert "the target's memory rises" in reason


def test_a_drift_without_a_limit_is_told_and_changes_nothing() -> None:
    verdict, reason = with_soak(Verdict.PASS, REASON, soak("target_memory", limits=()))
    assert verdict is Verdict.PASS
    assert "Soak: drift over" in reason


def test_a_limit_of_which_nothing_is_known_is_no_pass() -> None:
    verdict, reason = with_soak(Verdict.PASS, REASON, soak(limits=("controller_memory",)))
    assert verdict is Verdict.INVALID
    assert "the controller's memory: nothing was measured" in reason


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INVALID, Verdict.ABORTED])
def test_what_is_wrong_already_stays_wrong(verdict: Verdict) -> None:
    """And the soak is told besides."""
    found, reason = with_soak(verdict, "Broken: errors < 1 %", soak("target_memory"))
    assert found is verdict
    assert reason.startswith("Broken: errors < 1 %. Soak: drift over")


def test_a_generator_that_drifts_says_so_before_a_broken_threshold() -> None:
    found, reason = with_soak(Verdict.FAIL, "Broken: errors < 1 %", soak("node_memory"))
    assert found is Verdict.INVALID
    assert reason.startswith("The generator drifted in this soak: memory of nodes rises")
    assert reason.endswith("Besides: Broken: errors < 1 %")


def test_a_run_without_a_soak_has_none() -> None:
    assert with_soak(Verdict.PASS, REASON, None) == (Verdict.PASS, REASON)


def test_a_run_that_was_cut_short_says_that_it_can_not_tell(tmp_path: Path) -> None:
    """With the least that it takes, in its result and in junit.xml."""
    store = Store(tmp_path / "run.db", create=True)
    fill(store)
    asked = replace(scenario(), soak=SoakLimits(p95_percent=5.0))
    result = conclude(asked, store, fit_log(), run_facts())
    store.close()
    assert result.soak is not None
    assert (result.soak.verdict, result.verdict) == ("unknown", "INVALID")
    assert "It is not known whether anything drifted" in result.reason
    write_junit(result, tmp_path / "junit.xml")
    case = ET.parse(tmp_path / "junit.xml").find("testsuite[@name='soak']/testcase[@name='p95']")
    assert case is not None
    assert case.find("error") is not None
