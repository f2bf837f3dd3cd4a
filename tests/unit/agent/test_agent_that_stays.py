"""An agent that stays, as on a real node: it waits for one run after the other, and for a controller that is away."""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec
import pytest
import zmq
from zmq.auth.thread import ThreadAuthenticator

from worker.agent import agent
from worker.agent.agent import Agent, serve
from worker.wire.curve import Endpoint, end_context, new_keys
from worker.wire.messages import (
    AgentMessage,
    Assign,
    ControllerMessage,
    Facts,
    Hello,
    HelloRequest,
    Quit,
    Reading,
    Sample,
    Welcome,
    WorkerEnded,
    decode_agent_message,
    encode,
)
from worker.wire.work import Assignment, UserShare, Work

Said = TypeVar("Said", bound=AgentMessage)
FACTS = Facts(simulated=False, model="Pi 4", cpu_count=4, memory_bytes=1, os="o", python="p", piswarm="v")
LIMIT_S = 20.0


def assignment(run: str) -> Assignment:
    return Assignment(Work(run, {"ApiUser": UserShare(weight=1)}, "http://127.0.0.1:9", 0, 0.0), 0, 1)


class Sensors:
    def __init__(self) -> None:
        self.capacity: float | None = None

    def facts(self) -> Facts:
        return msgspec.structs.replace(FACTS, capacity=self.capacity)

    def read(self) -> Reading:
        return Reading(cpu_percent=1.0, memory_percent=1, memory_used_bytes=1, load_1min=0)


class Workers:
    """Workers that note which run they are for, None while they have nothing to do."""

    def __init__(self) -> None:
        self.run: str | None = None
        self.ended = 0

    def assign(self, assignment: Assignment) -> None:
        self.run = assignment.work.run

    def poll(self, now_s: float) -> Iterator[WorkerEnded]:
        del now_s
        return iter(())

    def wait_s(self, now_s: float) -> float:
        del now_s
        return math.inf

    def stop(self, *, quit_sent: bool = False) -> tuple[()]:
        del quit_sent
        self.run = None
        self.ended += 1
        return ()


class Place:
    """An agent, and the address where controllers come and go, each with the same keys on the same port."""

    def __init__(self) -> None:
        self._server = new_keys()
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._route = b""
        self.open()
        assert self._socket is not None
        self._address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.workers = Workers()
        endpoint = Endpoint(self._address, self._server.public)
        context = zmq.Context()
        self.sensors = Sensors()
        self.agent = Agent("pi1", endpoint, new_keys(), self.sensors, context=context, workers=self.workers, stays=True)
        self._agents_context = context
        self._ended = threading.Event()
        self._readable, self._writable = os.pipe()
        self._thread = threading.Thread(
            target=serve,
            args=([self.agent],),
            kwargs={"until": self._ended.is_set, "wakeup_fd": self._readable},
            daemon=True,
        )
        self._thread.start()

    def open(self) -> None:
        """Start a controller."""
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.curve_server = True
        self._socket.curve_secretkey = self._server.secret.encode()
        if hasattr(self, "_address"):
            self.until(self._bound)
        else:
            self._socket.bind_to_random_port("tcp://127.0.0.1")

    def _bound(self) -> bool:
        """Return whether the port is bound again: a thread of ZeroMQ frees it some time after the socket before was closed."""
        assert self._socket is not None
        try:
            self._socket.bind(self._address)
        except zmq.ZMQError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        else:
            return True

    @contextmanager
    def refusing(self) -> Iterator[threading.Event]:
        """For the length of the block a controller is here that knows no node; the event says that the agent was refused twice."""
        knocks, twice = 0, threading.Event()

        class Nobody:
            def callback(self, domain: str, key: bytes) -> bool:
                del domain, key
                nonlocal knocks
                knocks += 1
                if knocks > 1:
                    twice.set()
                return False

        gate = ThreadAuthenticator(self._context)
        gate.start()
        gate.configure_curve_callback("*", Nobody())
        self.open()
        yield twice
        self.shut()
        gate.stop()

    def shut(self) -> None:
        """End the controller without a word to the agent."""
        assert self._socket is not None
        self._socket.close()

    def heard(self, wait_s: float) -> AgentMessage | None:
        """Return what the agent says next, or None when it says nothing for so long."""
        assert self._socket is not None
        if not self._socket.poll(int(1000 * wait_s)):
            return None
        self._route, identity, frame = self._socket.recv_multipart()
        assert identity == b"pi1"
        return decode_agent_message(frame)

    def receive(self, kind: type[Said]) -> Said:
        """Read the agent's messages up to one of that kind, and return that one."""
        until_s = time.monotonic() + LIMIT_S
        while not isinstance(said := self.heard(1.0), kind):
            assert time.monotonic() < until_s, f"no {kind.__name__}"
        return said

    def send(self, message: ControllerMessage) -> None:
        assert self._socket is not None
        self._socket.send_multipart([self._route, encode(message)])

    def begin(self, run: str) -> None:
        """Take the agent into a run."""
        self.send(Welcome(0.05))
        self.send(Assign(assignment(run)))
        self.receive(Sample)
        self.until(lambda: self.workers.run == run)

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        until_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < until_s
            time.sleep(0.01)

    def close(self) -> None:
        self._ended.set()
        os.write(self._writable, b"x")
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        os.close(self._readable)
        os.close(self._writable)
        self.shut()
        end_context(self._agents_context)
        end_context(self._context)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(agent, "HELLO_INTERVAL_S", 0.02)
    monkeypatch.setattr(agent, "MAX_HELLO_INTERVAL_S", 0.08)
    place = Place()
    yield place
    place.close()


def forget_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the agent's patience with a controller that is not heard end now, until it has left its run."""
    with monkeypatch.context() as patch:
        patch.setattr(agent, "FORGET_RUN_S", 0.0)
        place.until(lambda: not place.agent.in_run)
    assert place.workers.run is None


def test_one_run_after_the_other(place: Place) -> None:
    """The end of a run ends the workers of a node, and not its agent, which takes part in the next run."""
    for run in ("first", "second"):
        place.receive(Hello)
        place.begin(run)
        place.send(Quit())
        place.until(lambda: place.workers.run is None)
    place.receive(Hello)
    assert place.workers.ended == 2
    assert not place.agent.done


def test_what_a_node_has_found_out_meanwhile_is_in_a_later_hello(place: Place) -> None:
    """What a node finds out after its start is in a later hello, such as a capacity that could not be measured at first."""
    assert place.receive(Hello).facts.capacity is None
    place.sensors.capacity = 3.5
    place.until(lambda: place.receive(Hello).facts.capacity == 3.5)


def test_a_controller_that_is_heard_no_more_is_forgotten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent forgets a controller that is silent for long, ends its workers, and presents itself to the next controller."""
    place.receive(Hello)
    place.begin("first")
    place.shut()
    assert place.workers.run == "first"
    forget_run(place, monkeypatch)
    place.open()
    place.receive(Hello)
    place.begin("second")


def test_another_controller_finds_the_workers_of_a_run(place: Place) -> None:
    """Workers whose controller is lost are left alone until another controller says what they are to do."""
    place.receive(Hello)
    place.begin("first")
    place.shut()
    place.open()
    place.receive(Sample)
    place.send(HelloRequest())
    place.receive(Hello)
    assert place.workers.run == "first"
    assert not place.workers.ended
    place.begin("second")


def test_a_controller_that_refuses_the_agent_keeps_it_from_no_later_one(place: Place) -> None:
    """An agent that another run's controller refuses keeps its workers, for a later controller that resumes their run."""
    place.receive(Hello)
    place.begin("first")
    place.shut()
    with place.refusing() as refused_twice:
        assert refused_twice.wait(LIMIT_S)
    place.open()
    place.receive(Hello)
    assert place.agent.in_run
    assert place.workers.run == "first"
    assert not place.workers.ended
    place.begin("first")


def test_workers_are_forgotten_though_a_controller_has_refused_their_agent(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers whose agent is refused are kept no longer than those of a node whose controller is gone."""
    place.receive(Hello)
    place.begin("first")
    place.shut()
    with place.refusing() as refused_twice:
        assert refused_twice.wait(LIMIT_S)
        forget_run(place, monkeypatch)
    place.open()
    place.receive(Hello)


def test_who_comes_late_is_not_met_by_all_that_was_said_before(place: Place) -> None:
    """A controller that comes late does not receive all the hellos of a night, each of which it would welcome."""
    place.receive(Hello)
    place.shut()
    sockets = {place.agent.socket}  # with each but the first few a hello has been said

    def enough() -> bool:
        sockets.add(place.agent.socket)
        return len(sockets) > 15

    place.until(enough)
    place.sensors.capacity = 3.5  # tells what is said from now on from what was said before
    place.open()
    old = 0
    while place.receive(Hello).facts.capacity is None:
        old += 1
    assert old <= 1
