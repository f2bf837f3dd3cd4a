"""The load that was asked for must have been there, and what the nodes themselves lacked is not the target's failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from judged_run import NODE, SECONDS, STEADY, fill, fit_log, run_facts, scenario

from master.judge.outcome import conclude
from master.judge.result import Result, ValidityResult
from master.store import ExceptionRow, FitnessRow, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    fill(store)
    yield store
    store.close()


def row_of(result: Result, check: str) -> ValidityResult:
    (row,) = [row for row in result.validity if row.check == check]
    return row


def users_from(store: Store, second: int, users: int | None) -> None:
    """Let the node's worker report that it runs so many users from that second on."""
    store.put_fitness(FitnessRow(NODE, later, 1.0, 20.0, 3, "", users=users) for later in range(second, SECONDS))


@pytest.mark.parametrize(
    ("users", "ok", "observed"),
    [
        pytest.param(10, True, "100 %", id="as many as asked for"),
        pytest.param(12, True, "100 %", id="more"),
        pytest.param(5, False, "50 %", id="half of them"),
        pytest.param(None, False, "no data", id="nobody knows how many"),
    ],
)
def test_the_users_asked_for_must_have_run(store: Store, users: int | None, ok: bool, observed: str) -> None:
    """The users that ran are counted second by second as the workers report, and never taken from the plan."""
    users_from(store, 0, users)
    result = conclude(scenario("p95 < 1 s"), store, fit_log(), run_facts())
    row = row_of(result, "users")
    assert (row.ok, row.observed_text) == (ok, observed)
    assert result.verdict == ("PASS" if ok else "INVALID")


def test_too_few_users_for_a_second_of_a_hundred_do_not_matter(store: Store) -> None:
    """One user of ten missing for one of fifteen seconds is 0.7 %, which the default of 99 % allows."""
    store.put_fitness([FitnessRow(NODE, STEADY[-1], 1.0, 20.0, 3, "", users=9)])
    assert row_of(conclude(scenario(), store, fit_log(), run_facts()), "users").ok


def test_why_users_did_not_run_is_told_by_their_exceptions(store: Store) -> None:
    """The check names the most frequent exception, with class and place, as the reason why users did not run."""
    users_from(store, 0, 5)
    store.add_exception(
        ExceptionRow("Buyer", "KeyError", "'id'", "buyer.py:7 in __init__", "self.id = known['id']", 5, 0.1)
    )
    message = row_of(conclude(scenario(), store, fit_log(), run_facts()), "users").message
    assert "only 50 % of the users asked for ran" in message
    assert "KeyError: 'id' (Buyer, buyer.py:7 in __init__)" in message


def test_a_class_that_never_made_a_request_is_named(store: Store) -> None:
    """A class of users that ran and never made a request makes the run INVALID and is named."""
    result = conclude(scenario(), store, fit_log(), run_facts(silent_classes=["Idler"]))
    assert result.verdict == "INVALID"
    assert "Idler never made a request" in result.reason


def test_what_a_node_itself_lacked_makes_the_run_invalid_and_is_said_with_its_remedy(store: Store) -> None:
    """Errors from what a node itself lacked make the run INVALID with the remedy, not FAIL, however many requests failed by it."""
    lacking = "EMFILE: no free file descriptor in this process: raise the limit"
    store.put_fitness([FitnessRow(NODE, STEADY[3], 1.0, 20.0, 3, lacking, users=10, local_errors=4)])
    result = conclude(scenario("errors = 0"), store, fit_log(), run_facts())
    row = row_of(result, "local_errors")
    assert (result.verdict, row.ok, row.observed, row.nodes) == ("INVALID", False, 4, [NODE])
    assert lacking in result.reason


def test_what_a_node_lacked_in_a_ramp_is_not_judged(store: Store) -> None:
    """Errors from what a node lacked in a ramp are not judged, since no second of a ramp is."""
    store.put_fitness([FitnessRow(NODE, 0, 1.0, 20.0, 3, "EMFILE", users=10, local_errors=4)])
    assert row_of(conclude(scenario(), store, fit_log(), run_facts()), "local_errors").ok


@pytest.mark.parametrize("second", [0, STEADY[2], None], ids=["in a ramp", "in a hold", "before the load"])
def test_an_exception_breaks_the_default_rule_whenever_it_was_raised(store: Store, second: int | None) -> None:
    """An exception breaks `exceptions = 0` at any time, and counts once though both the table and its second hold it."""
    store.add_exception(ExceptionRow("Buyer", "KeyError", "'id'", "buyer.py:7 in buy", "x", 1, 0.1))
    if second is not None:
        store.put_fitness([FitnessRow(NODE, second, 1.0, 20.0, 3, "", users=10, exceptions=1)])
    result = conclude(scenario("exceptions = 0"), store, fit_log(), run_facts())
    assert [(row.observed, row.ok) for row in result.thresholds] == [(1, False)]
    assert result.verdict == "FAIL"
