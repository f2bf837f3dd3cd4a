"""A real agent process with its worker, and the controller's end of its connection."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec
import psutil
import zmq
from processes import ROOT

from worker.wire.curve import Endpoint, end_context, new_keys
from worker.wire.messages import AgentMessage, Assign, ControllerMessage, Hello, Welcome, decode_agent_message, encode
from worker.wire.orders import NodeOrders
from worker.wire.work import Assignment, UserShare, Work

NODE = "pi001"
LIMIT_S = 60.0
WORK = Work("test", {"ApiUser": UserShare(weight=1)}, "http://127.0.0.1:9", 0, 0.0)
T = TypeVar("T")


class AgentProcess:
    """An agent that reports this machine, for the length of a `with` block."""

    def __init__(self, state: Path, *, carries_load: bool = True) -> None:
        """Start an agent that may keep files in the folder `state`."""
        server, keys = new_keys(), new_keys()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.curve_server = True
        self._socket.curve_secretkey = server.secret.encode()
        port = self._socket.bind_to_random_port("tcp://127.0.0.1")
        endpoint = Endpoint(f"tcp://127.0.0.1:{port}", server.public)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "worker.agent.node"],
            cwd=ROOT,
            env={**os.environ, "STATE_DIRECTORY": str(state)},
            stdin=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(
            msgspec.json.encode(NodeOrders(NODE, endpoint, keys, carries_load=carries_load)) + b"\n"
        )
        self.process.stdin.flush()
        self._route = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self.process.stdin is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self._socket.close()
        end_context(self._context)

    @property
    def itself(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def worker(self) -> psutil.Process:
        """Return the process of the agent's worker, as soon as one runs."""
        return until(
            lambda: next((child for child in self.itself.children() if "worker.load.process" in child.cmdline()), None)
        )

    def receive(self) -> AgentMessage:
        """Return the agent's next message, without those of the worker."""
        while True:
            assert self._socket.poll(1000 * LIMIT_S), "the agent says nothing"
            route, identity, frame = self._socket.recv_multipart()
            if identity == NODE.encode():
                self._route = route
                return decode_agent_message(frame)

    def receive_a(self, kind: type[T]) -> T:
        """Return the agent's next message of this kind."""
        while not isinstance(message := self.receive(), kind):
            pass
        return message

    def send(self, message: ControllerMessage) -> None:
        """Send a message to the agent, which must have been heard before."""
        self._socket.send_multipart([self._route, encode(message)])

    def welcome(self, period_s: float) -> None:
        """Welcome the agent and assign it one worker, which gets no users."""
        self.send(Welcome(period_s))
        self.send(Assign(Assignment(WORK, 0, 1, workers=1)))

    def introduce(self) -> Hello:
        """Return the agent's first message."""
        return self.receive_a(Hello)


def until(found: Callable[[], T | None]) -> T:
    """Return what `found` finds, as soon as it finds something."""
    deadline_s = time.monotonic() + LIMIT_S
    while (what := found()) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    return what
