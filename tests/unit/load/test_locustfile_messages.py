"""A worker's half of a locustfile's messages: nothing is lost before the controller knows it, and nobody is flooded."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from worker.load.locustfile.attached_data import pack_data, unpack_data
from worker.load.locustfile.messages import BURST_S, MAX_KEPT, MESSAGES_PER_S, LocustfileMessages
from worker.wire.messages import ProjectMessage


class Worker:
    """A worker's messages: what it sent, the listeners it has, and what they raised."""

    def __init__(self) -> None:
        self.sent: list[ProjectMessage] = []
        self.listeners: dict[str, tuple[Any, bool]] = {}
        self.failures: list[tuple[str, Exception]] = []
        self.messages = LocustfileMessages(
            self.sent.append,
            self.listeners.get,
            "the environment",
            lambda *failure: self.failures.append(failure),
            clock=lambda: 100.0,
        )

    @property
    def said(self) -> list[Any]:
        return [unpack_data(message.data) for message in self.sent]


def test_messages_sent_before_the_controller_knows_the_worker_come_when_it_does() -> None:
    """Messages that init sends are kept until the controller knows the worker, and go in their order before later ones."""
    worker = Worker()
    worker.messages.send("names", 1)
    worker.messages.send("names", 2)
    assert worker.sent == []
    worker.messages.join()
    worker.messages.send("names", 3)
    worker.messages.leave()
    for number in range(MAX_KEPT + 10):
        worker.messages.send("lost", number)
    worker.messages.join()
    assert worker.said == [1, 2, 3, *range(MAX_KEPT)]


def test_a_sender_waits_when_it_is_faster_than_the_controller_can_be_asked_to_be() -> None:
    """A sender has to wait once it has sent a burst; data that can't be sent is its own error."""
    worker = Worker()
    worker.messages.join()
    burst = int(BURST_S * MESSAGES_PER_S)
    for number in range(burst):
        worker.messages.send("n", number)
    assert len(worker.sent) == burst  # without a wait
    sender = gevent.spawn(worker.messages.send, "n", "one more")
    gevent.sleep(0)
    assert len(worker.sent) == burst
    sender.join()
    assert len(worker.sent) == burst + 1
    with pytest.raises(TypeError):
        worker.messages.send("n", object())


def test_listeners_get_what_locusts_get_one_after_the_other_and_their_failures_are_noted() -> None:
    """Listeners get environment and message in order, also past one that fails or waits; a type without a listener is dropped."""
    worker, heard = Worker(), []

    def listen(environment: Any, msg: Any) -> None:
        gevent.sleep(0)
        heard.append((environment, msg.type, msg.data, msg.node_id))
        if msg.data == "bad":
            raise KeyError("no")

    worker.listeners["slow"] = (listen, False)
    worker.listeners["beside"] = (listen, True)
    running = gevent.spawn(worker.messages.run)
    for kind, data in (("slow", "bad"), ("slow", [1]), ("beside", 2), ("nobody's", 3)):
        worker.messages.accept(kind, pack_data(data), "pi1_0")
    worker.messages.accept("slow", b"\xc1", "pi1_0")
    gevent.sleep(0.01)
    running.kill()
    assert sorted(heard, key=str) == sorted(
        [("the environment", kind, data, "pi1_0") for kind, data in (("slow", "bad"), ("slow", [1]), ("beside", 2))],
        key=str,
    )
    assert [(what, type(error)) for what, error in worker.failures] == [("messages of type slow", KeyError)]
