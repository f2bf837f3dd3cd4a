"""Whether two runs are of the same, so that a difference between them says something of the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from master.formatting import counted
from master.judge.result import Result
from master.store import CONTROLLER
from worker.printable import printable
from worker.wire.messages import Facts

Keys = Mapping[str, Any]
"""The keys of a scenario as it was run, every default spelled out."""

_SCENARIO = {
    "name": "scenario",
    "project": "Locust project",
    "locustfile": "locustfile",
    "users": "users",
    "arguments": "arguments",
    "tags": "tags",
    "exclude_tags": "tags left out",
    "data": "data rows",
    "tracing": "tracing",
}
"""What makes another scenario, and what to call it."""
_SIMULATED = {"fleet": "kinds of simulated nodes", "rack": "simulated rack"}
_MAX_SHOWN = 200  # characters of a value


def verdict_fault(result: Result, which: str) -> str | None:
    """Why a run of this verdict can't be compared; None where it can."""
    if result.verdict in {"PASS", "FAIL"}:
        return None
    return f"{which} is {result.verdict}: {result.reason}"


def scenario_faults(baseline: Keys, run: Keys, *, simulated: bool) -> list[str]:
    """What of two scenarios is another scenario, load or fleet."""
    found = [
        _differs(f"other {word}", before, after)
        for key, word in (_SCENARIO | (_SIMULATED if simulated else {})).items()
        if (before := _value(baseline, key)) != (after := _value(run, key))
    ]
    if _load_without_hold(baseline.get("load")) != _load_without_hold(run.get("load")):
        found.append(_differs("other load", baseline.get("load"), run.get("load")))
    before, after = _expected(baseline), _expected(run)
    if before != after:
        found.append(_differs("other fleet: nodes expected", before, after))
    return found


def scenario_notes(baseline: Keys, run: Keys) -> list[str]:
    """What else differs between two scenarios."""
    rows = [("the load is held for another time", "load"), ("another target", "target")]
    return [_differs(word, baseline.get(key), run.get(key)) for word, key in rows if baseline.get(key) != run.get(key)]


def result_faults(baseline: Result, run: Result) -> list[str]:
    """What of two outcomes can't be compared."""
    found = []
    if baseline.nodes.simulated != run.nodes.simulated:
        kinds = {True: "simulated nodes", False: "real nodes"}
        found.append(_differs("other fleet", kinds[baseline.nodes.simulated], kinds[run.nodes.simulated]))
    if baseline.load.model != run.load.model:
        found.append(_differs("other load model", baseline.load.model, run.load.model))
    return found


def result_differences(baseline: Result, run: Result) -> list[str]:
    """What else differs between two outcomes."""
    rows: list[tuple[str, object, object]] = [
        ("another version of piswarm", baseline.versions.piswarm, run.versions.piswarm),
        ("another version of Locust", baseline.versions.locust, run.versions.locust),
        ("another version of Python", baseline.versions.python, run.versions.python),
        ("another number of nodes was ready", baseline.nodes.peak, run.nodes.peak),
        ("another number of users ran", baseline.users.peak, run.users.peak),
    ]
    return [_differs(word, before, after) for word, before, after in rows if before != after]


def result_notes(baseline: Result, run: Result) -> list[str]:
    """What else differs between two outcomes, or keeps one of them from being what was planned."""
    found = result_differences(baseline, run)
    for which, result in (("the baseline", baseline), ("the run", run)):
        if result.verdict == "FAIL":
            found.append(f"{which} is FAIL: {printable(result.reason)}")
        if result.gaps:
            found.append(f"{which} had no controller for {counted(len(result.gaps), 'span')} of its time")
        if result.unreported_workers:
            found.append(f"{which} has no final report of {counted(len(result.unreported_workers), 'worker')}")
    return found


def machine_faults(baseline: Mapping[str, Facts | None], run: Mapping[str, Facts | None]) -> list[str]:
    """What of the machines makes another fleet: real nodes of other models."""
    before, after = _models(baseline), _models(run)
    return [] if before == after else [_differs("other fleet", _counts(before), _counts(after))]


def machine_notes(baseline: Mapping[str, Facts | None], run: Mapping[str, Facts | None]) -> list[str]:
    """What differs between the controllers' machines."""
    before, after = baseline.get(CONTROLLER), run.get(CONTROLLER)
    if before is None or after is None:
        return []
    rows = [
        ("model", before.model, after.model),
        ("CPU cores", before.cpu_count, after.cpu_count),
        ("kernel", before.kernel, after.kernel),
    ]
    return [_differs(f"another controller: {word}", one, other) for word, one, other in rows if one != other]


def _value(keys: Keys, key: str) -> object:
    value = keys.get(key)
    if key in {"project", "locustfile"} and isinstance(value, str):
        return PurePath(value).name  # it may lie elsewhere
    if key == "data" and isinstance(value, dict):
        return {name: _without_folder(source) for name, source in value.items()}
    return value


def _without_folder(source: object) -> object:
    if isinstance(source, dict) and isinstance(source.get("file"), str):
        return {**source, "file": PurePath(source["file"]).name}
    return source


def _load_without_hold(load: object) -> object:
    """The load, without for how long a single stage of it is held: the figures are of any of its seconds."""
    if isinstance(load, list) and len(load) == 1 and isinstance(load[0], dict):
        return [{key: value for key, value in load[0].items() if key != "hold"}]
    return load


def _expected(keys: Keys) -> object:
    nodes = keys.get("nodes")
    return nodes.get("expect") if isinstance(nodes, dict) else None


def _models(facts: Mapping[str, Facts | None]) -> Counter[str]:
    return Counter(
        known.model or "unknown"
        for name, known in facts.items()
        if name != CONTROLLER and known is not None and not known.simulated
    )


def _counts(models: Counter[str]) -> str:
    return ", ".join(f"{count} {model}" for model, count in sorted(models.items())) or "none"


def _differs(word: str, baseline: object, run: object) -> str:
    return f"{word}: {_shown(baseline)} in the baseline, {_shown(run)} in the run"


def _shown(value: object) -> str:
    match value:
        case None:
            text = "none"
        case dict():
            text = "{" + ", ".join(f"{key}: {_shown(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            text = _joined(value)
        case _:
            text = str(value)
    text = printable(text)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _joined(values: Sequence[object]) -> str:
    return ", ".join(map(_shown, values))
