"""The agent: the one process per node that answers for it. It samples the node's hardware and holds its own connection.

It needs no Locust and no gevent. A rack of simulated nodes runs many of them as greenlets, on a `zmq.green` context.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import msgspec
import zmq

from worker.curve import Endpoint, Keys, connect, end_context
from worker.lifeline import take_orders
from worker.sensors import MachineSensors, Sensors
from worker.wire import Hello, Quit, Sample, Welcome, decode_controller_message, encode

logger = logging.getLogger(__name__)

HELLO_INTERVAL_S = 5.0


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


class Agent:
    """One node's agent: says hello until it is welcomed, then samples until it is told to quit."""

    def __init__(self, node: str, endpoint: Endpoint, keys: Keys, sensors: Sensors, *, context: Any) -> None:
        self._node = node
        self._endpoint = endpoint
        self._keys = keys
        self._sensors = sensors
        self._context = context
        self._samples: SampleClock | None = None

    def run(self) -> None:
        """Serve until the controller ends the run."""
        socket = connect(self._context, self._endpoint, self._keys, self._node)
        try:
            hello_at_s = time.monotonic()
            while True:
                now_s = time.monotonic()
                if self._samples is None:
                    if now_s >= hello_at_s:
                        socket.send(encode(Hello(self._sensors.facts())))
                        hello_at_s = now_s + HELLO_INTERVAL_S
                    wait_s = hello_at_s - now_s
                else:
                    wait_s = self._samples.wait_s(now_s)
                    if wait_s <= 0:
                        slot = self._samples.take(now_s)
                        socket.send(encode(Sample(slot, self._samples.due_s(slot), now_s, self._sensors.read())))
                        wait_s = self._samples.wait_s(time.monotonic())
                frame = self.receive(socket, wait_s)
                if frame is not None and not self._handle(frame):
                    return
        finally:
            socket.close(linger=500)

    def receive(self, socket: Any, wait_s: float) -> bytes | None:
        """The next message, waited for at most `wait_s` (and 1 ms at least); None when there was none."""
        return bytes(socket.recv()) if socket.poll(max(1, int(wait_s * 1000))) else None

    def _handle(self, frame: bytes) -> bool:
        """Act on one message; False when it ends the agent."""
        try:
            message = decode_controller_message(frame)
        except msgspec.MsgspecError:
            logger.warning("dropped a message from the controller that can't be decoded")
            return True
        match message:
            case Welcome(period_s=period_s):
                self._samples = SampleClock(time.monotonic(), period_s)
            case Quit():
                return False
        return True


class AgentOrders(msgspec.Struct, frozen=True):
    """All that an agent needs to know."""

    node: str
    endpoint: Endpoint
    keys: Keys


def main() -> int:
    """Run the agent of this machine by the AgentOrders on standard input."""
    orders = take_orders(AgentOrders)
    context = zmq.Context()
    Agent(orders.node, orders.endpoint, orders.keys, MachineSensors(), context=context).run()
    end_context(context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
