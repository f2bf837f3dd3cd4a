"""The validity checks of a run, put together from what it measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from master.judge.causes import causes
from master.judge.faults import Faults
from master.judge.generator.arrivals_check import check_arrivals
from master.judge.generator.latency_error import check_latency_error
from master.judge.generator.load_check import LocalErrors, check_local_errors, check_users, user_seconds
from master.judge.generator.validity import ValidityOutcome, check, guarded, with_cause
from master.judge.offered_load import OfferedLoad
from master.judge.run_facts import RunFacts
from master.judge.seconds.fitness import FitnessLog
from master.judge.target.threshold_margin import check_threshold_margin
from master.judge.totals import Totals
from master.scenario import Scenario, ValidityLimits
from master.store import StoreReader


def validity_checks(  # noqa: PLR0917  # they look at all there is
    scenario: Scenario,
    store: StoreReader,
    fitness: FitnessLog,
    facts: RunFacts,
    totals: Totals,
    offered: OfferedLoad | None,
    faults: Faults,
) -> list[ValidityOutcome]:
    """All checks of a run's generator; one that can't be made is unknown. `offered` is None where that is unknown."""
    limits, steady_s = scenario.validity, len(facts.steady_seconds)
    known = faults.attempt("why there is no data", lambda: causes(store, totals, steady_s, faults), dict[str, str]())
    return [
        *check(limits, fitness, scenario.nodes.expect, scenario.nodes.min, known),
        *([_arrivals(limits, offered, known)] if scenario.open_model else []),
        guarded("users", lambda: _users(scenario, store, facts, totals, offered)),
        guarded("local_errors", lambda: check_local_errors(limits.local_errors, _local_errors(store, facts, totals))),
        guarded(
            "latency_error",
            lambda: check_latency_error(limits.latency_error_percent, totals.steady.values(), fitness.lag_by_request),
            yields_to_fail=True,
        ),
        guarded(
            "doubtful_thresholds",
            lambda: check_threshold_margin(scenario.thresholds, totals.outcomes, fitness.lag_when_fit),
            yields_to_fail=True,
        ),
    ]


def _arrivals(limits: ValidityLimits, offered: OfferedLoad | None, known: Mapping[str, str]) -> ValidityOutcome:
    if offered is None:
        message = "arrivals: unknown, since what became of them is not known"
        return ValidityOutcome("arrivals", "–", "unknown", None, ok=None, message=message, fault=True)
    return with_cause(guarded("arrivals", lambda: check_arrivals(limits.arrivals_percent, offered)), known)


def _users(
    scenario: Scenario, store: StoreReader, facts: RunFacts, totals: Totals, offered: OfferedLoad | None
) -> ValidityOutcome:
    if not totals.complete:
        message = "users: unknown, since what was counted is not known"
        return ValidityOutcome("users", "–", "unknown", None, ok=None, message=message, fault=True)
    found = user_seconds(scenario.load, totals.users_ran)
    silent = facts.silent_classes
    if offered is not None and scenario.open_model:  # a class of few users may have had no arrival at all
        silent = [name for name in silent if name in offered.whole.of and offered.whole.of[name].both.started]
    exceptions = [f"{row.type}: {row.message} ({row.user_class}, {row.place})" for row in store.exceptions()[:1]]
    return check_users(scenario.validity.users_percent, found, silent, exceptions)


def _local_errors(store: StoreReader, facts: RunFacts, totals: Totals) -> list[LocalErrors]:
    if totals.complete and not totals.local_errors:
        return []  # as nearly always; else it takes a look at every worker-second to know whose they were
    steady, found = set(facts.steady_seconds), dict[str, LocalErrors]()
    for node, second, requests, unfit in store.local_errors():
        if second in steady:
            before = found.get(node, LocalErrors(node, 0, unfit))
            found[node] = replace(before, requests=before.requests + requests)
    return list(found.values())
