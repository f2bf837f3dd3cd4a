"""The agent of a node: it samples the node's hardware, supervises its workers, and has its own connection to the controller.

It needs no Locust and no gevent, so that a busy worker never keeps it from answering: on a node it is a process of its own,
in a rack of simulated nodes one thread serves all agents.
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
from worker.wire.bounds import HEARTBEAT_INTERVAL_S
from worker.wire.curve import Endpoint, Keys, connect
from worker.wire.messages import (
    AgentHeartbeat,
    AgentMessage,
    Assign,
    ClockReply,
    ClockRequest,
    Hello,
    HelloRequest,
    Leave,
    ProjectPart,
    Quit,
    Sample,
    Welcome,
    decode_controller_message,
    encode,
)
from worker.wire.work import Assignment

HELLO_INTERVAL_S = 2.0
MAX_HELLO_INTERVAL_S = 30.0
FORGET_RUN_S = 600.0
"""An agent that stays keeps the workers of a run for so long without a controller: a restarted one finds them, with their reports."""
LAST_WORDS_MS = 500
"""How long the last messages of a run have to leave, beside what else is done."""
POLL_EARLY_S = 0.5
"""An agent that is awake polls its workers if that is due within so long, which saves waking for that alone."""
POLL_INTERVAL_S = 0.05
"""The interval at which several agents of one thread poll their sockets and what is due."""


class SampleClock:
    """The schedule of samples: slots of one period from a fixed start, so that lateness never moves it. Pure."""

    def __init__(self, start_s: float, period_s: float) -> None:
        self._start_s = start_s
        self.period_s = period_s
        self._next = 0

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next sample is due, 0 when it is."""
        return max(0.0, self._start_s + self._next * self.period_s - now_s)

    def next_slot(self, now_s: float) -> int:
        """The slot that is due at `now_s`. Slots that were slept through are skipped: the gap in the numbers shows them."""
        slot = max(self._next, int((now_s - self._start_s) / self.period_s))
        self._next = slot + 1
        return slot

    def due_s(self, slot: int) -> float:
        """The time at which a slot begins."""
        return self._start_s + slot * self.period_s


class Workers(Protocol):
    """The worker processes that an agent supervises."""

    def assign(self, assignment: Assignment) -> None:
        """Run workers for this assignment, and no others, from the next `poll` on."""

    def receive(self, part: ProjectPart) -> None:
        """A part of the assignment's project has come."""

    def poll(self, now_s: float) -> Iterable[AgentMessage]:
        """Start and restart what is due; messages about what has happened, for the controller."""

    def wait_s(self, now_s: float) -> float:
        """Seconds until a `poll` is due though no process ends."""

    def stop(self, *, quit_sent: bool = False) -> Iterable[AgentMessage]:
        """End all workers; the last messages about them. With `quit_sent` the controller has sent them Quit, and they get time to end by themselves."""


class Agent:
    """One node's agent: sends Hello until a Welcome comes, then samples until Quit comes; one that `stays` starts over then.

    Hellos back off with jitter, up to half a minute: a fleet whose controller was away does not connect all at once when it
    is back. One that is refused in mid-run says Hello again, and keeps its workers for a controller that resumes their run.
    `step` blocks only while workers are ended.
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
        self._standing = stays
        self._connect: Callable[[], Any] = lambda: connect(context, endpoint, keys)
        self._socket: Any = self._connect()
        self._identity = node.encode()
        self._samples: SampleClock | None = None
        self._jitter = random.Random(node)  # noqa: S311  # no secret
        self._hello_at_s = 0.0
        self._hello_wait_s = HELLO_INTERVAL_S
        self._alive_at_s = 0.0
        self._in_run = False
        self._cut_off = False
        self._poll_at_s = math.inf if workers is None else 0.0
        self.done = False
        """Whether Quit has come; never for an agent that stays."""
        self._last_contact_s = time.monotonic()

    @property
    def socket(self) -> Any:
        """The connection's ZeroMQ socket. A `step` that reconnects replaces it."""
        return self._socket

    @property
    def in_run(self) -> bool:
        """Whether the node is part of a run."""
        return self._in_run

    def step(self, *, readable: bool = True, child_ended: bool = False) -> float:
        """Handle received messages, and do all that is due; seconds until something is due again.

        `readable` says whether the socket may have messages, `child_ended` whether a worker may have ended.
        """
        while readable and not self.done:
            try:
                self._handle(self._socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
        now_s = time.monotonic()
        if self._standing and self.in_run and now_s > self._last_contact_s + FORGET_RUN_S:
            self._leave_run()
        # What is on a schedule comes first: starting a process takes a while.
        wait_s = self._send_what_is_due(now_s)
        if self._workers is not None and (child_ended or now_s >= self._poll_at_s - POLL_EARLY_S):
            for message in self._workers.poll(now_s):
                self._send(message)
            self._poll_at_s = now_s + self._workers.wait_s(now_s)
        return min(wait_s, self._poll_at_s - now_s)

    def _send_what_is_due(self, now_s: float) -> float:
        if self._cut_off and self._samples is not None:
            self._samples, self._hello_at_s = None, 0.0
        if self._samples is None:
            if now_s >= self._hello_at_s:
                if self._cut_off or self._hello_wait_s >= MAX_HELLO_INTERVAL_S:
                    # The messages in the queue are old, and would all arrive at once when there is a controller again.
                    self._reconnect()
                if self._standing:  # the capacity may have been measured meanwhile
                    self._facts = self._sensors.facts()
                self._send(Hello(self._facts))
                self._hello_at_s = now_s + self._hello_wait_s * self._jitter.uniform(0.8, 1.2)
                self._hello_wait_s = min(2 * self._hello_wait_s, MAX_HELLO_INTERVAL_S)
            return self._hello_at_s - now_s
        if self._samples.wait_s(now_s) <= 0:
            slot = self._samples.next_slot(now_s)
            self._send(Sample(slot, self._samples.due_s(slot), now_s, self._sensors.read()))
            self._alive_at_s = now_s + HEARTBEAT_INTERVAL_S * 1.5
        elif now_s >= self._alive_at_s:
            self._send(AgentHeartbeat())
            self._alive_at_s = now_s + HEARTBEAT_INTERVAL_S
        return min(self._samples.wait_s(now_s), self._alive_at_s - now_s)

    def _leave_run(self, *, quit_sent: bool = False) -> None:
        """End the workers, and wait for another run. `quit_sent` as in Workers.stop."""
        self._stop_workers(quit_sent=quit_sent)
        self._samples, self._in_run = None, False
        self._hello_at_s, self._hello_wait_s = 0.0, HELLO_INTERVAL_S
        self._reconnect(LAST_WORDS_MS if quit_sent else 0)

    def _stop_workers(self, *, quit_sent: bool) -> None:
        if self._workers is not None:
            for message in self._workers.stop(quit_sent=quit_sent):
                self._send(message)

    def _reconnect(self, linger_ms: int = 0) -> None:
        self._socket.close(linger=linger_ms)
        self._socket, self._cut_off = self._connect(), False

    def close(self) -> None:
        """Send Leave, unless Quit has come, and end the workers."""
        if not self.done and self._samples is not None:
            self._send(Leave())
        self._stop_workers(quit_sent=self.done)
        self._socket.close(linger=LAST_WORDS_MS)

    def _send(self, message: AgentMessage) -> None:
        try:
            self._socket.send(self._identity, zmq.NOBLOCK | zmq.SNDMORE)
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            # A controller has refused the node's key, as that of a run without this node does: ZeroMQ never tries again then.
            # Or one has been away for so long that its queue is full: it has no use for old samples.
            self._cut_off = True

    def _handle(self, frame: bytes) -> None:
        try:
            message = decode_controller_message(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        note_contact()
        self._last_contact_s = time.monotonic()
        match message:
            case Welcome(period_s=period_s):
                self._samples = SampleClock(self._last_contact_s, max(0.01, period_s))
                self._in_run = True
                self._hello_wait_s = HELLO_INTERVAL_S
            case Assign(assignment=assignment):
                if self._workers is not None:
                    self._workers.assign(assignment)
                    self._poll_at_s = 0.0
            case ProjectPart():
                if self._workers is not None:
                    self._workers.receive(message)
                    self._poll_at_s = 0.0
            case HelloRequest():
                self._samples = None
                self._hello_at_s = 0.0
            case ClockRequest(asked_s=asked_s):
                self._send(ClockReply(asked_s, time.monotonic(), time.time()))
            case Quit() if self._standing:
                self._leave_run(quit_sent=True)
            case Quit():
                self.done = True


def serve(
    agents: list[Agent],
    until: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    wakeup_fd: int | None = None,
) -> None:
    """Run agents until each has got Quit, or `until` returns true; then close them.

    When the descriptor `wakeup_fd` is readable, it is emptied, `until` is called, and every agent makes a step: an agent with
    workers needs one that tells of their ends (worker/agent/signal_pipe.py). This blocks its thread, so a gevent process
    passes the unpatched `sleep`.
    """
    poller = zmq.Poller()
    due_s, sockets = {}, {}
    for agent in agents:
        sockets[agent] = agent.socket
        poller.register(agent.socket, zmq.POLLIN)
        due_s[agent] = 0.0
    if wakeup_fd is not None:
        poller.register(wakeup_fd, zmq.POLLIN)
    try:
        while due_s and not until():
            wait_s = min(due_s.values()) - time.monotonic()
            if len(due_s) > 1:
                # Polling many sockets has a cost, so all messages of an interval share it.
                sleep(POLL_INTERVAL_S)
                wait_s = 0.0
            readable = {socket for socket, _ in poller.poll(int(1000 * min(max(0.0, wait_s), 1.0)) + (wait_s > 0))}
            signalled = wakeup_fd in readable
            if wakeup_fd is not None and signalled:
                os.read(wakeup_fd, 4096)
            now_s = time.monotonic()
            for agent in [
                agent for agent, at_s in due_s.items() if signalled or at_s <= now_s or agent.socket in readable
            ]:
                due_s[agent] = now_s + agent.step(readable=agent.socket in readable, child_ended=signalled)
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
