"""CURVE key pairs, and the client's side of an encrypted connection.

The wire is never in plain text: a local run makes keys for itself and throws them away. Keys are Z85 text (40 characters).
"""

from __future__ import annotations

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


def connect(context: Any, endpoint: Endpoint, keys: Keys, identity: str) -> Any:
    """A DEALER socket of `context`, encrypted, connected to `endpoint` as `identity`.

    `context` is a `zmq.Context` or, in a gevent process, a `zmq.green.Context`; the socket is of the same kind.
    """
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, identity.encode())
    socket.curve_serverkey = endpoint.public_key.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
    # A whole fleet that lost its controller must not knock at the same moment for ever: back off to 5 s, with ZeroMQ's jitter.
    socket.setsockopt(zmq.RECONNECT_IVL, 200)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 5000)
    socket.connect(endpoint.address)
    return socket
