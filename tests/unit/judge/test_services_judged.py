"""A required service that was lost while the load was on is in the verdict, by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from judged_run import SECONDS, fill, fit_log, run_facts, scenario

from master.judge.outcome import conclude
from master.judge.result import Result
from master.services.health.losses import LOSSES_KEY, Loss, pack_losses
from master.store import Store

LOST = Loss("database", "database (postgresql: Connection refused)", 7.0, 12.5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    fill(store)
    yield store
    store.close()


def judged(store: Store, losses: list[Loss] | None, **facts: object) -> Result:
    if losses is not None:
        store.put_meta(LOSSES_KEY, pack_losses(losses))
    required = replace(scenario("errors < 50 %"), require=("auth-service", "database"))
    return conclude(required, store, fit_log(), run_facts(**facts))


def test_services_that_stayed_healthy_leave_a_pass(store: Store) -> None:
    """Each is a row of its own among the thresholds."""
    result = judged(store, [])
    assert result.verdict == "PASS", result.reason
    assert [(row.rule, row.ok) for row in result.thresholds[-2:]] == [
        ("require auth-service", True),
        ("require database", True),
    ]


def test_a_service_that_was_lost_fails_the_run_and_is_named_with_its_times(store: Store) -> None:
    """Whatever the thresholds say: what was measured is not the system that it was to be."""
    result = judged(store, [LOST])
    assert result.verdict == "FAIL"
    assert "require database" in result.reason
    assert "postgresql: Connection refused) was lost at 7s, and back at 12.5s" in result.reason
    assert [row.observed for row in result.thresholds[-2:]] == [0.0, 5.5]


def test_a_service_that_did_not_come_back_was_lost_to_the_end(store: Store) -> None:
    """It counts up to the end of the load."""
    result = judged(store, [replace(LOST, to_s=None)])
    assert result.thresholds[-1].observed == SECONDS - 7.0
    assert "to the end" in result.reason


def test_a_run_that_was_aborted_names_the_lost_service_too(store: Store) -> None:
    """The operator learns of it beside the reason for the end."""
    result = judged(store, [LOST], aborted="interrupted by the operator")
    assert result.verdict == "ABORTED"
    assert result.reason.startswith("interrupted by the operator. A required service was lost: database")


@pytest.mark.parametrize("kept", [None, "nonsense"])
def test_a_service_of_which_nothing_is_known_is_no_pass(store: Store, kept: object) -> None:
    """Neither where it was not watched, nor where what was noted can't be read."""
    if kept is not None:
        store.put_meta(LOSSES_KEY, kept)
    result = judged(store, None)
    assert result.verdict == "INVALID"
    assert "require database" in result.reason or result.faults
