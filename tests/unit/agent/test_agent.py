"""The agent's schedule, and its conversation with a controller over a real encrypted connection."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from worker.agent import agent
from worker.agent.agent import Agent, SampleClock, serve
from worker.wire.curve import Endpoint, end_context, new_keys
from worker.wire.messages import (
    AgentHeartbeat,
    AgentMessage,
    ClockReply,
    ClockRequest,
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


@pytest.mark.parametrize(
    ("now_s", "wait_s", "slot", "then_wait_s"),
    [
        pytest.param(100.0, 0.0, 0, 2.0, id="the first sample is due at once"),
        pytest.param(100.5, 0.0, 0, 1.5, id="a late sample does not move the next"),
        pytest.param(102.0, 0.0, 1, 2.0, id="a slot that was not taken is left out"),
        pytest.param(107.9, 0.0, 3, 0.1, id="three slots slept through are three numbers left out"),
        pytest.param(99.0, 1.0, 0, 3.0, id="before the start there is all the time until it"),
    ],
)
def test_a_sample_has_the_number_of_the_slot_that_is_due(
    now_s: float, wait_s: float, slot: int, then_wait_s: float
) -> None:
    """A sample carries the number of the slot that is due, with slots of two seconds from 100 s on."""
    clock = SampleClock(100.0, 2.0)
    assert clock.wait_s(now_s) == pytest.approx(wait_s)
    assert clock.next_slot(now_s) == slot
    assert clock.wait_s(now_s) == pytest.approx(then_wait_s)


# Multiples of a power of two are exact in floating point, so that "never early" can be taken at its word.
exact_s = st.integers(0, 1 << 20).map(lambda ticks: ticks / 1024)


@given(exact_s, st.integers(1, 1 << 16).map(lambda ticks: ticks / 1024), st.lists(exact_s, max_size=50))
def test_slots_rise_are_never_early_and_never_drift(start_s: float, period_s: float, lates_s: list[float]) -> None:
    """Slot numbers rise, and no slot is early or drifts, however late each sample is taken."""
    clock = SampleClock(start_s, period_s)
    now_s, before = start_s, -1
    for late_s in lates_s:
        now_s += clock.wait_s(now_s) + late_s
        slot = clock.next_slot(now_s)
        assert slot > before
        assert clock.due_s(slot) == start_s + slot * period_s
        assert clock.due_s(slot) <= now_s < clock.due_s(slot + 1) == now_s + clock.wait_s(now_s)
        before = slot


@given(st.floats(0, 1e6), st.floats(0.01, 60), st.integers(1, 100))
def test_no_slot_is_taken_twice_however_its_time_is_rounded(start_s: float, period_s: float, slots: int) -> None:
    """A slot that is taken as soon as it is due is taken once, whether or not its time can be represented exactly."""
    clock = SampleClock(start_s, period_s)
    for slot in range(slots):
        assert clock.next_slot(clock.due_s(slot)) == slot


FACTS = Facts(simulated=True, model="Pi 4", cpu_count=4, memory_bytes=1, os="o", python="p", piswarm="v")


class KnownSensors:
    """Sensors whose reading is the number of times that they were read."""

    def __init__(self) -> None:
        self.reads = 0

    def facts(self) -> Facts:
        return FACTS

    def read(self) -> Reading:
        self.reads += 1
        return Reading(cpu_percent=self.reads, memory_percent=1, memory_used_bytes=1, load_1min=0)


class NotedWorkers:
    """Workers that end when the test says so."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def poll(self, now_s: float) -> Iterator[WorkerEnded]:
        del now_s
        while self.ended:
            yield WorkerEnded(self.ended.pop(), "exit status 0", 0.5, crashing=False)

    def wait_s(self, now_s: float) -> float:
        del now_s
        return math.inf

    def stop(self, *, quit_sent: bool = False) -> tuple[()]:
        del quit_sent
        self.ended.append("stopped")
        return ()


@dataclass
class Controller:
    """A controller that the test plays: it hears what the agent says, and answers."""

    socket: zmq.Socket[bytes]
    agent: threading.Thread
    workers: NotedWorkers
    woken: int
    _route: bytes = b""

    def receive(self) -> AgentMessage:
        """Return the agent's next message."""
        assert self.socket.poll(5000), "the agent says nothing"
        self._route, identity, frame = self.socket.recv_multipart()
        assert identity == b"pi1"
        return decode_agent_message(frame)

    def samples(self, count: int) -> list[Sample]:
        """Return the agent's next samples; messages before the first sample are skipped."""
        heard: list[Sample] = []
        while len(heard) < count:
            message = self.receive()
            if isinstance(message, Sample):
                heard.append(message)
            else:
                assert not heard, "a hello after a sample"
        return heard

    def send(self, frame: bytes) -> None:
        self.socket.send_multipart([self._route, frame])


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    monkeypatch.setattr(agent, "HELLO_INTERVAL_S", 0.05)
    server = new_keys()
    context = zmq.Context()
    with context.socket(zmq.ROUTER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.curve_server = True
        socket.curve_secretkey = server.secret.encode()
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        endpoint = Endpoint(f"tcp://127.0.0.1:{port}", server.public)
        workers = NotedWorkers()
        served = Agent("pi1", endpoint, new_keys(), KnownSensors(), context=context, workers=workers)
        readable, writable = os.pipe()
        thread = threading.Thread(target=serve, args=([served],), kwargs={"wakeup_fd": readable}, daemon=True)
        thread.start()
        controller = Controller(socket, thread, workers, writable)
        yield controller
        controller.send(encode(Quit()))
        thread.join(5)
        assert workers.ended == ["stopped"]
        os.close(writable)
        os.close(readable)
    end_context(context)


def test_an_agent_says_hello_until_it_is_welcomed(controller: Controller) -> None:
    """An agent repeats its hello until it is welcomed, for a controller that starts later or lost the first hello."""
    assert [controller.receive() for _ in range(3)] == [Hello(FACTS)] * 3


def test_samples_are_numbered_by_their_slots_from_the_welcome_on(controller: Controller) -> None:
    """Each sample is due exactly at its slot, is sent a little later, and has a reading of its own."""
    assert isinstance(controller.receive(), Hello)
    began_s = time.monotonic()
    controller.send(encode(Welcome(0.02)))
    samples = controller.samples(5)
    numbers = [sample.number for sample in samples]
    assert numbers[0] == 0
    assert numbers == sorted(set(numbers))
    assert [sample.reading.cpu_percent for sample in samples] == [1, 2, 3, 4, 5]
    assert began_s <= samples[0].due_s
    assert [sample.due_s for sample in samples] == [samples[0].due_s + number * 0.02 for number in numbers]
    assert all(sample.due_s <= sample.sent_s <= time.monotonic() for sample in samples)


def test_a_second_welcome_starts_the_numbers_anew(controller: Controller) -> None:
    """After a second welcome an agent numbers its samples from zero, as the controller that takes the node in again counts."""
    assert isinstance(controller.receive(), Hello)
    controller.send(encode(Welcome(0.02)))
    assert controller.samples(3)[-1].number >= 2
    controller.send(encode(Welcome(0.02)))
    while controller.samples(1)[0].number != 0:
        pass


def test_garbage_is_dropped_and_the_agent_goes_on(controller: Controller) -> None:
    """An agent drops bytes that are no message, messages that only agents send, and empty frames, and goes on."""
    assert isinstance(controller.receive(), Hello)
    garbage = [b"", b"\xc1", b"\x91\xa4Gone", encode(Hello(FACTS)), encode(("Welcome", "soon")), b"\x91" * 100_000]
    for frame in garbage:
        controller.send(frame)
    controller.send(encode(Welcome(0.02)))
    controller.samples(2)


def test_an_agent_that_a_new_controller_asks_for_presents_itself_again(controller: Controller) -> None:
    """An agent that a new controller asks for a hello sends one, and sends samples again from its next welcome on."""
    assert isinstance(controller.receive(), Hello)
    controller.send(encode(Welcome(0.02)))
    controller.samples(2)
    controller.send(encode(HelloRequest()))
    while not isinstance(controller.receive(), Hello):
        pass
    controller.send(encode(Welcome(0.02)))
    while not isinstance(controller.receive(), Sample):
        pass


def test_between_samples_far_apart_an_agent_is_heard_every_second(controller: Controller) -> None:
    """Between samples that are far apart an agent sends a heartbeat every second, so that it is not taken for lost."""
    assert isinstance(controller.receive(), Hello)
    controller.send(encode(Welcome(60)))
    assert isinstance(controller.samples(1)[0], Sample)
    assert [controller.receive() for _ in range(2)] == [AgentHeartbeat()] * 2


def test_an_agent_tells_its_clocks(controller: Controller) -> None:
    """An agent's answer about its clocks repeats the time of the question, so that the controller need not remember it."""
    assert isinstance(controller.receive(), Hello)
    asked_s, wall_s = time.monotonic(), time.time()
    controller.send(encode(ClockRequest(asked_s)))
    while not isinstance(answer := controller.receive(), ClockReply):
        pass
    assert answer.asked_s == asked_s
    assert asked_s <= answer.answered_s <= time.monotonic()
    assert wall_s - 0.1 <= answer.wall_s <= time.time() + 0.1


def test_an_agent_that_is_woken_looks_after_its_workers(controller: Controller) -> None:
    """An agent polls its workers when it is woken, and otherwise only when they say that something will be due."""
    assert isinstance(controller.receive(), Hello)
    controller.send(encode(Welcome(0.02)))
    controller.samples(1)  # its first look, which comes after its hello, is over
    controller.workers.ended.append("pi1_0")
    controller.samples(5)
    assert controller.workers.ended == ["pi1_0"]
    os.write(controller.woken, b"!!")
    while not isinstance(message := controller.receive(), WorkerEnded):
        pass
    assert message.worker == "pi1_0"


@pytest.mark.parametrize("welcomed", [False, True])
def test_quit_ends_the_agent(controller: Controller, welcomed: bool) -> None:
    """A quit message ends an agent before it is welcomed as well as while it samples."""
    assert isinstance(controller.receive(), Hello)
    if welcomed:
        controller.send(encode(Welcome(0.02)))
        controller.samples(1)
    controller.send(encode(Quit()))
    controller.agent.join(5)
    assert not controller.agent.is_alive()
