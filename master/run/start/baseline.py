"""The baseline of a run: checked before anything is started, and what becomes of rules against it where none is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from master.analysis.compare.files import check_baseline
from master.scenario import Scenario


def plan_baseline(baseline: Path | None, scenario: Scenario, *, simulated: bool) -> tuple[Scenario, list[str]]:
    """The scenario as it is to run, and what to warn of: without a baseline its rules against one can't be judged.

    Raises InputError where the run could not be compared with `baseline`.
    """
    if baseline is not None:
        check_baseline(baseline, scenario, simulated=simulated)
        return scenario, []
    rules = [rule for rule in scenario.thresholds if rule.compared_metric is not None]
    kept = tuple(rule for rule in scenario.thresholds if rule not in rules)
    return replace(scenario, thresholds=kept), [
        f"{rule.text!r} is not judged, since no baseline is named: --baseline RUN names a run of this scenario"
        for rule in rules
    ]
