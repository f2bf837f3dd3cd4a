"""The agent: what answers for a node. It samples the node's hardware and holds its own connection to the controller.

It needs no Locust and no gevent, so that a busy worker never keeps it from being heard: on a node it is a process of its own,
in a rack of simulated nodes one thread serves them all.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec
import zmq

from worker.parent_watch import note_contact
from worker.telemetry.sensors import Sensors
from worker.wire.curve import Endpoint, Keys, connect
from worker.wire.messages import (
    HEARTBEAT_INTERVAL_S,
    AgentHeartbeat,
    AgentMessage,
    Assign,
    Assignment,
    ClockReply,
    ClockRequest,
    Goodbye,
    Hello,
    HelloRequest,
    Quit,
    Sample,
    Welcome,
    decode_controller_message,
    encode,
)

HELLO_INTERVAL_S = 2.0
MAX_HELLO_INTERVAL_S = 30.0
FORGET_RUN_S = 600.0
"""An agent that stays keeps the workers of a run so long though no controller is heard: one that is started anew finds them, and
what they have not been able to tell."""
POLL_EARLY_S = 0.5
"""By so much earlier than it must an agent looks after its workers when it is awake anyhow, which saves waking for that alone."""
POLL_INTERVAL_S = 0.05
"""How often the agents of one thread look whether something is due or has come, when there are several."""


class SampleClock:
    """When to sample: slots of one period on a fixed schedule, so that lateness never moves it. Pure."""

    def __init__(self, start_s: float, period_s: float) -> None:
        self._start_s = start_s
        self.period_s = period_s
        self._next = 0

    def wait_s(self, now_s: float) -> float:
        """How long until the next sample is due; 0 when it is."""
        return max(0.0, self._start_s + self._next * self.period_s - now_s)

    def take(self, now_s: float) -> int:
        """The slot that is due at `now_s`. Slots slept through are left out: the gap in the numbers shows them."""
        slot = max(self._next, int((now_s - self._start_s) / self.period_s))
        self._next = slot + 1
        return slot

    def due_s(self, slot: int) -> float:
        """When a slot begins."""
        return self._start_s + slot * self.period_s


class Workers(Protocol):
    """The worker processes that an agent answers for."""

    def take_on(self, assignment: Assignment) -> None:
        """From the next look on do this, and nothing else."""

    def look(self, now_s: float) -> Iterable[AgentMessage]:
        """Do what is due, which the end of a process makes of it; what the controller is to know of it."""

    def wait_s(self, now_s: float) -> float:
        """How long until something is due though no process ends, in seconds."""

    def stop(self, *, told: bool = False) -> None:
        """End them; they may be given something to do again. Those that are `told` by the controller itself end in order."""


class Agent:
    """One node's agent: says hello until it is welcomed, then samples until it is told to quit; one that `stays` begins anew then.

    Hellos come further and further apart, up to half a minute, each at a time of its own: a fleet whose controller is
    away doesn't knock as one when it is back. `step` blocks only while workers are ended.
    """

    def __init__(
        self,
        node: str,
        endpoint: Endpoint,
        keys: Keys,
        sensors: Sensors,
        *,
        context: Any,
        workers: Workers | None = None,
        stays: bool = False,
    ) -> None:
        self._sensors = sensors
        self._facts = sensors.facts()
        self._workers = workers
        self._stays = stays
        self._connect: Callable[[], Any] = lambda: connect(context, endpoint, keys)
        self._socket: Any = self._connect()
        self._identity = node.encode()
        self._samples: SampleClock | None = None
        self._dice = random.Random(node)  # noqa: S311  # no secret
        self._hello_at_s = 0.0
        self._hello_wait_s = HELLO_INTERVAL_S
        self._alive_at_s = 0.0
        self._look_at_s = math.inf if workers is None else 0.0
        self.done = False
        """Told to quit by the controller."""
        self._heard_s = time.monotonic()

    @property
    def socket(self) -> Any:
        """Readable when the controller has said something. Another one after a `step` that has opened a new connection."""
        return self._socket

    @property
    def in_run(self) -> bool:
        """Whether a controller has taken the node in, for a run."""
        return self._samples is not None

    def step(self, *, heard: bool = True, woken: bool = False) -> float:
        """Do all that is due now, and answer what has come; how long until something is due again, in seconds.

        Without `heard` nothing has come; `woken` says that a worker may have ended.
        """
        while heard and not self.done:
            try:
                self._handle(self._socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
        now_s = time.monotonic()
        if self._stays and self.in_run and now_s > self._heard_s + FORGET_RUN_S:
            self._leave_run()
        # What is on a schedule comes first: starting a process takes a while.
        wait_s = self._say_what_is_due(now_s)
        if self._workers is not None and (woken or now_s >= self._look_at_s - POLL_EARLY_S):
            for message in self._workers.look(now_s):
                self._send(message)
            self._look_at_s = now_s + self._workers.wait_s(now_s)
        return min(wait_s, self._look_at_s - now_s)

    def _say_what_is_due(self, now_s: float) -> float:
        if self._samples is None:
            if now_s >= self._hello_at_s:
                if self._hello_wait_s >= MAX_HELLO_INTERVAL_S:
                    # What waits to be sent is old, and would all be heard at once when there is a controller again.
                    self._connect_anew()
                if self._stays:  # some of them are found out in time
                    self._facts = self._sensors.facts()
                self._send(Hello(self._facts))
                self._hello_at_s = now_s + self._hello_wait_s * self._dice.uniform(0.8, 1.2)
                self._hello_wait_s = min(2 * self._hello_wait_s, MAX_HELLO_INTERVAL_S)
            return self._hello_at_s - now_s
        if self._samples.wait_s(now_s) <= 0:
            slot = self._samples.take(now_s)
            self._send(Sample(slot, self._samples.due_s(slot), now_s, self._sensors.read()))
            self._alive_at_s = now_s + HEARTBEAT_INTERVAL_S * 1.5
        elif now_s >= self._alive_at_s:
            self._send(AgentHeartbeat())
            self._alive_at_s = now_s + HEARTBEAT_INTERVAL_S
        return min(self._samples.wait_s(now_s), self._alive_at_s - now_s)

    def _leave_run(self, *, told: bool = False) -> None:
        """There is no run any more: end the workers, and wait for another one. Or the controller has `told` all that it is over."""
        if self._workers is not None:
            self._workers.stop(told=told)
        self._samples = None
        self._hello_at_s, self._hello_wait_s = 0.0, HELLO_INTERVAL_S
        self._connect_anew()

    def _connect_anew(self) -> None:
        self._socket.close(linger=0)
        self._socket = self._connect()

    def close(self) -> None:
        """Say good-bye, unless the controller was the first to, and end the workers."""
        if not self.done and self._samples is not None:
            self._send(Goodbye())
        if self._workers is not None:
            self._workers.stop(told=self.done)
        self._socket.close(linger=500)

    def _send(self, message: AgentMessage) -> None:
        # A controller that has been away for so long that its queue is full has no use for old samples.
        try:
            self._socket.send(self._identity, zmq.NOBLOCK | zmq.SNDMORE)
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            pass

    def _handle(self, frame: bytes) -> None:
        try:
            message = decode_controller_message(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        note_contact()
        self._heard_s = time.monotonic()
        match message:
            case Welcome(period_s=period_s):
                self._samples = SampleClock(self._heard_s, max(0.01, period_s))
                self._hello_wait_s = HELLO_INTERVAL_S
            case Assign(assignment=assignment):
                if self._workers is not None:
                    self._workers.take_on(assignment)
                    self._look_at_s = 0.0
            case HelloRequest():
                self._samples = None
                self._hello_at_s = 0.0
            case ClockRequest(asked_s=asked_s):
                self._send(ClockReply(asked_s, time.monotonic(), time.time()))
            case Quit() if self._stays:
                self._leave_run(told=True)
            case Quit():
                self.done = True


def serve(
    agents: list[Agent],
    until: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    woken: int | None = None,
) -> None:
    """Run agents until all were told to quit, or `until` says so; then close them.

    When the descriptor `woken` is readable, it is emptied, `until` is asked, and every agent looks what is due: an agent with
    workers needs one that tells of their ends (worker/agent/signal_pipe.py). A gevent process hands over the unpatched `sleep`, for this
    blocks its thread.
    """
    poller = zmq.Poller()
    due_s, sockets = {}, {}
    for agent in agents:
        sockets[agent] = agent.socket
        poller.register(agent.socket, zmq.POLLIN)
        due_s[agent] = 0.0
    if woken is not None:
        poller.register(woken, zmq.POLLIN)
    try:
        while due_s and not until():
            wait_s = min(due_s.values()) - time.monotonic()
            if len(due_s) > 1:
                # Looking at many sockets costs something, so it is not done for each of them by itself.
                sleep(POLL_INTERVAL_S)
                wait_s = 0.0
            heard = {socket for socket, _ in poller.poll(int(1000 * min(max(0.0, wait_s), 1.0)) + (wait_s > 0))}
            told = woken in heard
            if woken is not None and told:
                os.read(woken, 4096)
            now_s = time.monotonic()
            for agent in [agent for agent, at_s in due_s.items() if told or at_s <= now_s or agent.socket in heard]:
                due_s[agent] = now_s + agent.step(heard=agent.socket in heard, woken=told)
                if agent.socket is not sockets[agent]:
                    poller.unregister(sockets[agent])
                    sockets[agent] = agent.socket
                    poller.register(agent.socket, zmq.POLLIN)
                if agent.done:
                    poller.unregister(agent.socket)
                    del due_s[agent]
    finally:
        for agent in agents:
            agent.close()
