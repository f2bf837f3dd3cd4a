"""The calls that wait for one receiver: in order, bounded, no more often than allowed."""

from __future__ import annotations

from master.hooks.orders import Call
from master.hooks.sender.queue import BURST, GATHER_S, MAX_NODES, MAX_WAITING, PER_MINUTE, CallQueue


def call(event: str = "start", *nodes: str) -> Call:
    return Call(
        event,
        "run-1",
        "swarm",
        "http://127.0.0.1:1",
        "2026-01-01T00:00:00+00:00",
        "text",
        nodes=list(nodes),
        nodes_total=len(nodes),
    )


def test_nodes_lost_together_are_one_call() -> None:
    """A rack that is lost within a second makes one call, which names the first nodes and counts all."""
    queue = CallQueue(0.0)
    for number in range(300):
        queue.add(call("lost", f"pi{number}"), number / 1000)
    assert len(queue) == 1
    assert queue.wait_s(0.5) == GATHER_S - 0.5
    assert queue.wait_s(GATHER_S) == 0
    made = queue.take()
    assert (made.nodes_total, len(made.nodes), made.nodes[:2]) == (300, MAX_NODES, ["pi0", "pi1"])
    assert made.text == "swarm: 300 nodes lost: pi0, pi1, pi2, pi3, pi4 …"


def test_calls_are_no_more_often_than_a_receiver_bears() -> None:
    """After a burst, calls come at the rate that is allowed, however many wait."""
    queue, now_s, taken = CallQueue(0.0), 0.0, 0
    for _ in range(MAX_WAITING):
        queue.add(call(), 0.0)
    while now_s < 60:
        if queue.wait_s(now_s) == 0:
            queue.take()
            taken += 1
        else:
            now_s += 0.1
    assert BURST + PER_MINUTE - 2 <= taken <= BURST + PER_MINUTE


def test_what_waits_is_bounded_and_what_is_dropped_is_counted() -> None:
    """A receiver that takes nothing costs a bounded number of calls."""
    queue = CallQueue(0.0)
    for _ in range(MAX_WAITING + 7):
        queue.add(call(), 0.0)
    assert (len(queue), queue.dropped) == (MAX_WAITING, 7)


def test_at_the_end_nothing_waits_for_its_turn() -> None:
    """When the run is over what waits is sent at once."""
    queue = CallQueue(0.0)
    for _ in range(BURST + 5):
        queue.add(call(), 0.0)
    queue.add(call("lost", "pi1"), 0.0)
    queue.hurry()
    for _ in range(BURST + 6):
        assert queue.wait_s(0.0) == 0
        queue.take()
    assert queue.wait_s(0.0) is None
