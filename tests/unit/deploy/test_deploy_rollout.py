"""The order in which hosts are changed, and when a roll-out stops."""

from __future__ import annotations

import pytest

from master.deploy.rollout.batches import Rollout, parse_budget
from master.errors import InputError

HOSTS = [f"pi{number:03}" for number in range(1, 8)]


def batches(rollout: Rollout, bad: set[str] = frozenset()) -> list[tuple[str, ...]]:  # type: ignore[assignment]
    """Return all batches of a roll-out in which the hosts in `bad` fail."""
    found = []
    while batch := rollout.next_batch():
        found.append(batch)
        for host in batch:
            rollout.note(host, ok=host not in bad)
    return found


def test_canaries_go_first_and_alone() -> None:
    """The canaries are changed first and alone, then batches of one size, the last one smaller."""
    rollout = Rollout(HOSTS, canaries=2, batch=3, allowed=0)
    assert [len(batch) for batch in batches(rollout)] == [2, 3, 2]
    assert [host for batch in batches(Rollout(HOSTS, canaries=2, batch=3, allowed=0)) for host in batch] == HOSTS
    assert rollout.stopped == ""


def test_without_canaries_all_are_alike() -> None:
    """Without canaries all batches have one size, also when there are fewer hosts than canaries."""
    assert [len(batch) for batch in batches(Rollout(HOSTS, canaries=0, batch=4, allowed=0))] == [4, 3]
    assert [len(batch) for batch in batches(Rollout(HOSTS[:2], canaries=5, batch=4, allowed=0))] in ([2], [2, 0])
    assert batches(Rollout([], canaries=1, batch=4, allowed=0)) == []


def test_a_canary_that_fails_stops_all() -> None:
    """A failed canary stops the roll-out, however many failures are allowed."""
    rollout = Rollout(HOSTS, canaries=1, batch=3, allowed=7)
    assert batches(rollout, {"pi001"}) == [("pi001",)]
    assert rollout.stopped == "pi001, which went first, failed"


def test_a_budget_is_used_up() -> None:
    """A roll-out stops at the first failure beyond its budget, in which earlier failures count."""
    rollout = Rollout(HOSTS, canaries=1, batch=2, allowed=1)
    assert len(batches(rollout, {"pi002"})) == 4
    rollout = Rollout(HOSTS, canaries=1, batch=2, allowed=1)
    assert len(batches(rollout, {"pi002", "pi004"})) == 3
    assert rollout.stopped == "2 hosts failed, where 1 may"
    assert batches(Rollout(HOSTS, canaries=1, batch=2, allowed=1, failed=2)) == []


@pytest.mark.parametrize(
    ("text", "hosts", "allowed"),
    [("3", 500, 3), ("10%", 500, 50), ("10%", 8, 0), ("0", 9, 0), ("29%", 100, 29), ("100 %", 4, 4)],
)
def test_budgets(text: str, hosts: int, allowed: int) -> None:
    """A budget of failures is a number, or a share of the hosts that is rounded down."""
    assert parse_budget(text).allowed(hosts) == allowed


@pytest.mark.parametrize("text", ["", "-1", "ten", "101%", "1.5"])
def test_what_is_no_budget(text: str) -> None:
    """A budget that is neither a number nor a share is refused."""
    with pytest.raises(InputError):
        parse_budget(text)
