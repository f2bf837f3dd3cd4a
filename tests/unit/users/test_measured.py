"""Requests that are no HTTP are counted like those that are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from locust.event import EventHook
from locust.user.task import LOCUST_STATE_STOPPING

from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent
from worker.users.measured import FailedRequestError, measured, report


class User:
    """As much of a user as is asked for, with a recorder of its own."""

    def __init__(self) -> None:
        self.recorder = Recorder(LoopLag())
        self.event = RequestEvent(self.recorder)
        self.environment = SimpleNamespace(events=SimpleNamespace(request=self.event))
        self._state: str | None = None

    def counted(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """By endpoint: requests, failures, and latencies that the process's own clock ended."""
        found: dict[tuple[str, str], tuple[int, int, int]] = {}
        for second in self.recorder.make_report({}, final=True).seconds:
            for each in second.endpoints:
                before = found.get((each.method, each.name), (0, 0, 0))
                found[each.method, each.name] = (
                    before[0] + each.total,
                    before[1] + each.failed,
                    before[2] + each.userspace_timed,
                )
        return found


@pytest.fixture
def user() -> User:
    return User()


def test_what_is_done_in_the_block_is_one_request_by_the_process_own_clock(user: User) -> None:
    """It is in flight as long as the block is on."""
    with measured(user, "SQL", "lookup", (OSError,)) as request:
        assert user.recorder.in_flight == {request}
        request.received_bytes = 5
    assert user.recorder.in_flight == set()
    assert user.counted() == {("SQL", "lookup"): (1, 0, 1)}


def test_a_time_from_outside_of_the_loop_holds_no_lag(user: User) -> None:
    report(user, "SQL", "lookup", 0.25, outside_loop=True)
    assert user.counted() == {("SQL", "lookup"): (1, 0, 0)}


def fail_in(user: User, error: Exception) -> None:
    with measured(user, "SQL", "update", (OSError,)):
        raise error


def test_an_expected_failure_is_counted_and_leaves_the_block_as_one_kind(user: User) -> None:
    with pytest.raises(FailedRequestError, match=r"^OSError: gone$"):
        fail_in(user, OSError("gone\nwith details"))
    assert user.counted() == {("SQL", "update"): (1, 1, 0)}


def test_a_request_fails_with_the_request_that_is_a_part_of_it(user: User) -> None:
    def both() -> None:
        with measured(user, "SQL", "transaction", (OSError,)):
            fail_in(user, OSError("gone"))

    with pytest.raises(FailedRequestError, match=r"^OSError: gone$"):
        both()
    assert user.counted() == {("SQL", "update"): (1, 1, 0), ("SQL", "transaction"): (1, 1, 0)}


def test_a_fault_of_the_users_code_passes_through_uncounted(user: User) -> None:
    with pytest.raises(ValueError, match="ours"):
        fail_in(user, ValueError("ours"))
    assert user.counted() == {}
    assert user.recorder.in_flight == set()


@pytest.mark.parametrize(("state", "cut"), [(LOCUST_STATE_STOPPING, 1), (None, 0)])
def test_a_request_that_a_stop_cuts_off_is_noted_as_unanswered(user: User, state: str | None, cut: int) -> None:
    """One that ends for another reason is not."""

    def wait() -> None:
        with measured(user, "SQL", "lookup", (OSError,)) as request:
            request.sent_s -= 30  # for so long it has been waiting
            gevent.sleep(60)

    greenlet = gevent.spawn(wait)
    gevent.sleep(0)
    user._state = state
    greenlet.kill()
    assert sum(each.total for each in user.recorder.make_report({}, final=True).unanswered) == cut
    assert user.recorder.in_flight == set()


def test_locusts_own_event_is_fired_as_well() -> None:
    """Where piswarm is not what runs the user."""
    seen: list[dict[str, Any]] = []
    event = EventHook()
    event.add_listener(lambda **each: seen.append(each))
    plain: Any = SimpleNamespace(environment=SimpleNamespace(events=SimpleNamespace(request=event)))
    with measured(plain, "RDP", "connect", (OSError,)):
        pass
    assert [(each["request_type"], each["name"], each["exception"]) for each in seen] == [("RDP", "connect", None)]
