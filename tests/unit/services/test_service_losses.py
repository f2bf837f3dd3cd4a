"""When a required service counts as lost, and as back."""

from __future__ import annotations

import json

import pytest

from master.services.health.losses import LOST_AFTER, MAX_LOSSES, Loss, LossTracker, pack_losses, unpack_losses

DOWN = {"database": "database (refused)"}


def looks(tracker: LossTracker, *each: dict[str, str], from_s: float = 0.0) -> None:
    for second, unhealthy in enumerate(each):
        tracker.look(from_s + second, unhealthy)


def test_a_service_is_lost_since_the_first_of_the_looks_in_a_row() -> None:
    """It comes back at the first look that finds it healthy."""
    tracker = LossTracker()
    looks(tracker, {}, *[DOWN] * LOST_AFTER)
    assert tracker.losses == [Loss("database", "database (refused)", 1.0)]
    tracker.look(9.0, {})
    assert tracker.losses[0].to_s == 9.0


def test_a_service_that_is_slow_for_a_moment_is_not_lost() -> None:
    """Looks that find it healthy in between begin the count anew."""
    tracker = LossTracker()
    looks(tracker, *([DOWN] * (LOST_AFTER - 1) + [{}]) * 5)
    assert tracker.losses == []


def test_each_change_is_told_once() -> None:
    """A look returns what was lost with it, and what is back with it."""
    tracker = LossTracker()
    told = [tracker.look(second, DOWN if second < 5 else {}) for second in range(8)]
    assert [(len(lost), len(back)) for lost, back in told if lost or back] == [(1, 0), (0, 1)]


def test_another_controller_goes_on_with_the_losses() -> None:
    """A service that was lost when the controller died is still lost, and not a second time."""
    tracker = LossTracker()
    looks(tracker, *[DOWN] * LOST_AFTER)
    kept = json.loads(json.dumps(pack_losses(tracker.losses)))
    resumed = LossTracker(unpack_losses(kept) or ())
    looks(resumed, *[DOWN] * LOST_AFTER, {}, from_s=50.0)
    assert resumed.losses == [Loss("database", "database (refused)", 0.0, 50.0 + LOST_AFTER)]


def test_losses_are_bounded() -> None:
    """A service that comes and goes for a day does not fill the result."""
    tracker = LossTracker()
    for _ in range(MAX_LOSSES + 5):
        looks(tracker, *[DOWN] * LOST_AFTER, {})
    assert len(tracker.losses) == MAX_LOSSES


@pytest.mark.parametrize("kept", ["x", [["a"]], [["a", "b", "c", None]]])
def test_losses_that_are_damaged_are_no_losses_that_are_made_up(kept: object) -> None:
    """Whoever reads them learns that they can't be read."""
    with pytest.raises((TypeError, ValueError)):
        unpack_losses(kept)
    assert unpack_losses(None) is None
