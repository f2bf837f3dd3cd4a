"""CURVE key pairs, and the client's side of an encrypted connection.

The wire is never in plain text: a local run makes keys for itself and throws them away. Keys are Z85 text (40 characters).
"""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable
from typing import Any

import msgspec
import zmq


class Keys(msgspec.Struct, frozen=True):
    """A CURVE key pair. The secret half stays out of `repr`, and so out of logs and tracebacks."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"Keys(public={self.public!r}, secret=…)"


def new_keys() -> Keys:
    """A fresh key pair."""
    public, secret = zmq.curve_keypair()
    return Keys(public.decode(), secret.decode())


class Endpoint(msgspec.Struct, frozen=True):
    """Where a controller listens, and the public key that proves it is that controller."""

    address: str
    """A ZeroMQ address such as `tcp://192.168.1.10:5557`."""
    public_key: str


def connect(context: Any, endpoint: Endpoint, keys: Keys) -> Any:
    """A DEALER socket of `context`, encrypted, connected to `endpoint`.

    `context` is a `zmq.Context` or, in a gevent process, a `zmq.green.Context`; the socket is of the same kind.
    """
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IPV6, "[" in endpoint.address)
    socket.curve_serverkey = endpoint.public_key.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
    # A whole fleet that lost its controller must not reconnect at the same moment for ever: back off to 5 s, with ZeroMQ's jitter.
    socket.setsockopt(zmq.RECONNECT_IVL, 200)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 5000)
    socket.connect(endpoint.address)
    return socket


_ending_contexts: list[Any] = []


def end_context(
    context: Any,
    *,
    timeout_s: float = 2.0,
    start_thread: Callable[[Callable[[], None], tuple[()]], Any] = _thread.start_new_thread,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """End a ZeroMQ context whose sockets are closed; False when it does not end in time, and is left behind.

    libzmq 4.3.5 now and then waits for ever here (seen about once in 200 closings of a CURVE peer that had sent more than
    was read), which must not hold up a process that is done. A gevent process hands over the unpatched `start_new_thread`
    and its own `sleep`.
    """
    ended: list[bool] = []
    _ending_contexts.append(context)  # were it collected, pyzmq would end it once more, and wait

    def end() -> None:
        context.term()
        ended.append(True)

    start_thread(end, ())
    deadline_s = time.monotonic() + timeout_s
    while not ended and time.monotonic() < deadline_s:
        sleep(0.002)
    if ended:
        _ending_contexts.remove(context)
    return bool(ended)
