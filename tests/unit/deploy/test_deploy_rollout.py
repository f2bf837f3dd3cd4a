"""In which order hosts are changed, and when no further one is."""

from __future__ import annotations

import pytest

from master.deploy.rollout.batches import Rollout, parse_budget
from master.errors import InputError

HOSTS = [f"pi{number:03}" for number in range(1, 8)]


def batches(rollout: Rollout, bad: set[str] = frozenset()) -> list[tuple[str, ...]]:  # type: ignore[assignment]
    """All batches, when those in `bad` fail."""
    found = []
    while batch := rollout.next_batch():
        found.append(batch)
        for host in batch:
            rollout.note(host, ok=host not in bad)
    return found


def test_canaries_go_first_and_alone() -> None:
    """Then batches, the last one smaller."""
    rollout = Rollout(HOSTS, canaries=2, batch=3, allowed=0)
    assert [len(batch) for batch in batches(rollout)] == [2, 3, 2]
    assert [host for batch in batches(Rollout(HOSTS, canaries=2, batch=3, allowed=0)) for host in batch] == HOSTS
    assert rollout.stopped == ""


def test_without_canaries_all_are_alike() -> None:
    """Also when there are fewer hosts than were to go first."""
    assert [len(batch) for batch in batches(Rollout(HOSTS, canaries=0, batch=4, allowed=0))] == [4, 3]
    assert [len(batch) for batch in batches(Rollout(HOSTS[:2], canaries=5, batch=4, allowed=0))] in ([2], [2, 0])
    assert batches(Rollout([], canaries=1, batch=4, allowed=0)) == []


def test_a_canary_that_fails_stops_all() -> None:
    """However many may fail."""
    rollout = Rollout(HOSTS, canaries=1, batch=3, allowed=7)
    assert batches(rollout, {"pi001"}) == [("pi001",)]
    assert rollout.stopped == "pi001, which went first, failed"


def test_a_budget_is_used_up() -> None:
    """By the failure beyond it, not before; what failed earlier counts."""
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
    """A number, or a share that is rounded down."""
    assert parse_budget(text).allowed(hosts) == allowed


@pytest.mark.parametrize("text", ["", "-1", "ten", "101%", "1.5"])
def test_what_is_no_budget(text: str) -> None:
    """Is said to be none."""
    with pytest.raises(InputError):
        parse_budget(text)
