"""The controller's one port: a CURVE-encrypted ROUTER that admits whom the allowlist names, as whom it names, and no one else."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import gevent
import msgspec
import zmq
import zmq.green
from gevent import monkey
from locust.exception import RPCError
from locust.rpc import Message
from locust.rpc.zmqrpc import BaseSocket
from zmq.utils import z85

from master.errors import InputError
from master.fleet.router import Router
from worker.wire.bounds import MAX_MESSAGE_BYTES, MAX_WORKERS
from worker.wire.curve import Endpoint, Keys, end_context
from worker.wire.messages import WORKER_MESSAGES, ControllerMessage, Quit, decode_agent_message, encode, node_of

_IDENTITY_END = re.compile(f"(_[0-{MAX_WORKERS - 1}])?")
QUIT_DELIVERY_S = 0.3
"""How long the last messages to a revoked node have to be delivered before its connection is closed."""
AGENT = "agent"
"""The type under which an agent's messages are handed on; the data is the decoded AgentMessage."""

_ENVELOPE = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw, str | None])
_WORKER_DATA = {kind: msgspec.msgpack.Decoder(data) for kind, data in WORKER_MESSAGES.items()}


class Rejected(Exception):  # noqa: N818  # no error of ours: what a peer sent is dropped and counted
    """A message that is not handed on; says why."""


class FleetServer(BaseSocket):
    """Receives from agents and workers, sends to both. What does not fit is dropped and counted in `drops` by reason."""

    def __init__(self, host: str, port: int, keys: Keys, allowlist: dict[str, str]) -> None:
        """Bind to `host`:`port` (0 takes a free port). `allowlist` maps a public key to its node's name; it may change later.

        Raises InputError when the address can't be had.
        """
        # BaseSocket.__init__ is left out on purpose: its socket would neither encrypt nor share this context.
        self.drops: Counter[str] = Counter()
        self._routes: dict[str, _Sender] = {}
        """The latest sender of each identity."""
        self._senders: dict[bytes, _Sender] = {}
        """The same, by the name of the connection. The key of one does not change, so a sender is identified once."""
        self._ending: set[bytes] = set()
        """Connections of revoked nodes, which are cut in a moment."""
        self._context = zmq.Context()
        self._gate = _Gate(self._context, allowlist, self.drops)
        self._router = Router(self._context)
        self.socket = self._router.socket
        self.socket.setsockopt(zmq.LINGER, 500)
        self.socket.setsockopt(zmq.BACKLOG, 4096)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self.socket.setsockopt(zmq.SNDHWM, 10_000)
        # Of each connection. What does not fit waits at its sender's, and one that floods fills no memory here.
        self.socket.setsockopt(zmq.RCVHWM, 16)
        self.socket.curve_server = True
        self.socket.curve_secretkey = keys.secret.encode()
        self.socket.zap_domain = b"piswarm"
        self.socket.setsockopt(zmq.IPV6, ":" in host)
        try:
            self.socket.bind(f"tcp://{f'[{host}]' if ':' in host else host}:{port or '*'}")
        except zmq.ZMQError as error:
            self.close(linger=0)
            raise _bind_error(host, port, error) from None
        address: str = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.port = int(address.rpartition(":")[2])
        self.endpoint = Endpoint(address, keys.public)

    def recv_from_client(self) -> tuple[str, Message]:
        """The next message that is what it claims to be, with its sender's identity. Raises RPCError when the socket is gone."""
        while True:
            try:
                received = self._router.receive()
            except zmq.ZMQError as error:
                raise RPCError("the master's socket is closed") from error
            try:
                return self._admit(received)
            except Rejected as reason:
                self.drops[str(reason)] += 1

    def _admit(self, received: tuple[bytes, bytes, zmq.Frame] | None) -> tuple[str, Message]:
        """Who sent a message, and what it says. Raises Rejected."""
        if received is None:
            raise Rejected("wrong number of frames")
        name, claim, payload = received
        sender = self._senders.get(name)
        if sender is None or sender.claim != claim:
            sender = self._identify(name, claim, payload)
        return sender.identity, _decode(sender, payload.buffer)

    def _identify(self, name: bytes, claim: bytes, payload: zmq.Frame) -> _Sender:
        """Hold what a connection claims to be against the key that it was opened with. Raises Rejected."""
        try:
            identity = claim.decode("ascii")
        except UnicodeDecodeError:
            raise Rejected("identity is no text") from None
        node = str(payload.get("User-Id"))
        if node_of(identity) != node or not _IDENTITY_END.fullmatch(identity, len(node)):
            raise Rejected("identity of another node")
        descriptor = payload.get(zmq.SRCFD)
        try:
            inode = os.fstat(descriptor).st_ino
        except OSError:
            inode = 0  # it has gone already
        if node in self._gate.revoked:
            # Sent before its connection was cut, or on one that was admitted and had sent nothing until now.
            if name not in self._ending:
                self._ending.add(name)
                gevent.spawn_later(QUIT_DELIVERY_S, _cut, [(descriptor, inode)])
            raise Rejected("message of a revoked node")
        sender = _Sender(name, claim, identity, identity == node, descriptor, inode)
        self._forget(identity)
        self._routes[identity] = self._senders[name] = sender
        return sender

    def _forget(self, identity: str) -> _Sender | None:
        """Forget the latest connection of an identity."""
        sender = self._routes.pop(identity, None)
        if sender is not None:
            self._senders.pop(sender.name, None)
        return sender

    @property
    def identities(self) -> tuple[str, ...]:
        """The identities that have sent something, agents and workers."""
        return tuple(self._routes)

    def send_to_agent(self, node: str, message: ControllerMessage) -> None:
        """Send to a node's agent; dropped when it is not connected."""
        self._send(node, encode(message))

    def send_to_worker(self, worker: str, kind: str, data: Any = None) -> None:
        """Send one of Locust's messages to a worker; dropped when it is not connected."""
        self._send(worker, encode((kind, data, worker)))

    def send_to_client(self, msg: Message) -> None:
        """The same, as Locust's own runner does it."""
        self.send_to_worker(msg.node_id, msg.type, msg.data)

    def _send(self, identity: str, payload: bytes) -> None:
        route = self._routes.get(identity)
        if route is not None:
            self._router.send(route.name, payload)

    def revoke(self, node: str) -> None:
        """A node is not trusted any more: it is sent Quit, its messages are dropped, and it gets no new connection.

        Its live connections are closed as soon as Quit has gone. Unknown nodes are none.
        """
        senders = [sender for identity, sender in self._routes.items() if node_of(identity) == node]
        for sender in senders:
            if sender.is_agent:
                self.send_to_agent(node, Quit())
            else:
                self.send_to_worker(sender.identity, "quit")
        self._gate.forget(node)
        for sender in senders:
            self._forget(sender.identity)
        if senders:
            self._ending |= {sender.name for sender in senders}
            gevent.spawn_later(QUIT_DELIVERY_S, _cut, [(sender.descriptor, sender.inode) for sender in senders])

    def close(self, linger: int | None = None) -> None:
        """Close the port and the gate behind it."""
        self._router.close(linger)
        self._gate.close()
        end_context(self._context, start_thread=monkey.get_original("_thread", "start_new_thread"), sleep=gevent.sleep)


def _cut(connections: Iterable[tuple[int, int]]) -> None:
    """End connections, by descriptor and inode. ZeroMQ can't end one of a ROUTER; it takes a shut socket for a peer that has left.

    The peer may have gone, and its descriptor be another's: then the inode is another one.
    """
    for descriptor, inode in connections:
        with contextlib.suppress(OSError):
            if os.fstat(descriptor).st_ino == inode:
                with socket.socket(fileno=os.dup(descriptor)) as connection:
                    connection.shutdown(socket.SHUT_RDWR)


class _Sender(NamedTuple):
    """A connection, and who is at its other end."""

    name: bytes
    """ZeroMQ's, for the connection."""
    claim: bytes
    """What it says that it is."""
    identity: str
    is_agent: bool
    descriptor: int
    inode: int
    """Of the descriptor; no other connection has it as long as this one lives."""


def _decode(sender: _Sender, payload: memoryview) -> Message:
    """What a message says. Raises Rejected."""
    identity = sender.identity
    try:
        if sender.is_agent:
            return Message(AGENT, decode_agent_message(payload), identity)
        kind, data, claimed = _ENVELOPE.decode(payload)
        decoder = _WORKER_DATA.get(kind)
        if decoder is None:
            raise Rejected("unknown message type")
        if claimed != identity:
            raise Rejected("identity of another node")
        return Message(kind, decoder.decode(data), identity)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Rejected("message can't be decoded") from None


class _Gate:
    """Answers ZeroMQ's question for each new connection (ZAP, RFC 27): whether its public key is allowed, and whose it is."""

    def __init__(self, context: Any, allowlist: dict[str, str], drops: Counter[str]) -> None:
        self._allowlist = allowlist
        self.revoked: set[str] = set()
        self._drops = drops
        self._socket = zmq.green.Context(shadow=context).socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind("inproc://zeromq.zap.01")
        self._greenlet = gevent.spawn(self._serve)

    def forget(self, node: str) -> None:
        for key in [key for key, name in self._allowlist.items() if name == node]:
            del self._allowlist[key]
        self.revoked.add(node)

    def close(self) -> None:
        self._greenlet.kill()
        self._socket.close(linger=0)

    def _serve(self) -> None:
        while True:
            try:
                version, request_id, _domain, _address, _identity, mechanism, *credentials = (
                    self._socket.recv_multipart()
                )
            except ValueError:  # libzmq itself asks, so this can't be; but then the question still wants its answer
                version, request_id, mechanism, credentials = b"1.0", b"", b"", []
            node = None
            if mechanism == b"CURVE" and credentials:
                node = self._allowlist.get(z85.encode(credentials[0]).decode())
            if node is None:
                self._drops["connection with an unknown key"] += 1
                answer = [b"400", b"unknown key", b"", b""]
            else:
                answer = [b"200", b"OK", node.encode(), b""]
            self._socket.send_multipart([version, request_id, *answer])


def _bind_error(host: str, port: int, error: zmq.ZMQError) -> InputError:
    if error.errno == errno.EADDRINUSE:
        return InputError(
            f"port {port} on {host} is taken by another program",
            hint="Stop that program (perhaps another run), choose another --port, or leave --port out to take a free one.",
        )
    if error.errno in {errno.ENODEV, errno.EADDRNOTAVAIL}:  # ZeroMQ takes what is no IP address for a network device
        return InputError(
            f"can't listen on {host!r}: no address of this machine",
            hint="Give --listen an IP address of this machine: 127.0.0.1, 0.0.0.0 for all, or one of the network's.",
        )
    return InputError(f"can't listen on {host}:{port}: {error.strerror}", hint="Check --listen and --port.")
