"""The soak of a run that has ended: from its directory to the verdict, and to JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from master.analysis.runs import StoredRun
from master.analysis.soak.assess import assess
from master.judge.result import Soak, for_json
from master.scenario import scenario_as_run

SCHEMA = "piswarm/soak/1"


def assess_run(directory: Path) -> tuple[Soak, StoredRun]:
    """The soak of the run in `directory`, by the limits of its scenario. Raises InputError where there is no such run."""
    run = StoredRun.open(directory)
    scenario = scenario_as_run(run.directory.scenario)
    limits = {} if scenario.soak is None else scenario.soak.per_day
    with run.store() as store:
        return assess(store, limits, scenario.sample_period_s), run


def to_json(soak: Soak, run: StoredRun) -> str:
    """One document, schema piswarm/soak/1."""
    content = {
        "schema": SCHEMA,
        "run_id": run.result.run_id,
        "scenario": run.result.scenario,
        "run_verdict": run.result.verdict,
        "soak": msgspec.to_builtins(soak),
    }
    return msgspec.json.format(msgspec.json.encode(for_json(content)), indent=2).decode()


def whose(soak: Soak) -> Literal["", "target", "generator", "unknown"]:
    """Whose drift it is: the generator's before the target's; empty where nothing drifts."""
    drifting = {row.of for row in soak.metrics if row.drifting}
    if "generator" in drifting:
        return "generator"
    if drifting:
        return "target"
    return "unknown" if soak.verdict == "unknown" else ""
