"""Peers without a key, garbage on the port, and peers with another's identity, while a run is on."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

import msgspec
import pytest
import zmq
from free_ports import free_ports
from processes import Piswarm, Target

from worker.wire.curve import Keys, end_context, new_keys


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context = zmq.Context()
    yield context
    end_context(context)


def knock(
    context: zmq.Context[zmq.Socket[bytes]], port: int, identity: str, keys: Keys | None, server_key: str
) -> bool:
    """Connect as `identity`, send what would end the run if it were believed, and return whether anything was answered."""
    with context.socket(zmq.DEALER) as peer:
        peer.setsockopt(zmq.LINGER, 0)
        peer.setsockopt(zmq.IDENTITY, identity.encode())
        if keys is not None:
            peer.curve_serverkey = server_key.encode()
            peer.curve_publickey = keys.public.encode()
            peer.curve_secretkey = keys.secret.encode()
        peer.connect(f"tcp://127.0.0.1:{port}")
        for kind in ("client_ready", "quit", "client_stopped"):
            peer.send(identity.encode(), zmq.SNDMORE)
            peer.send(msgspec.msgpack.encode((kind, "2.47.0", identity)))
        return bool(peer.poll(1500))


def test_strangers_and_garbage_change_nothing(
    piswarm: Piswarm, target: Target, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    """A peer without a key can neither join nor stop the run; bytes of garbage on the port change nothing."""
    port = free_ports()
    started = piswarm.start(
        piswarm.scenario(load=[{"users": 8, "spawn_rate": 20, "hold": "10s"}], nodes={"expect": 4}),
        *("--target", target.url, "--port", str(port)),
    )
    started.wait_for("stage 1 of 1, hold")

    dice = random.Random(1)
    for garbage in (
        b"\xc1",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 10,
        b"\xff\0\0\0\0\0\0\0\1\x7f",
        dice.randbytes(100_000),
    ):
        # It may hang up in the middle: just right.
        with socket.create_connection(("127.0.0.1", port)) as raw, contextlib.suppress(OSError):
            raw.sendall(garbage)
    assert not knock(context, port, "sim001_0", None, "")
    assert not knock(context, port, "sim001", None, "")
    somebody = new_keys()
    assert not knock(context, port, "sim001_0", somebody, new_keys().public)
    finished = started.finish()

    assert finished.status == 0, finished.output
    result = finished.result
    assert result["nodes"]["peak"] == 4
    assert result["nodes"]["lost"] == 0
    assert result["requests"]["total"] == sum(target.counts().values())


def test_orders_with_keys_go_by_pipe_alone(piswarm: Piswarm) -> None:
    """No process of a run has anything but its module's name in its arguments, or any key in its environment."""
    started = piswarm.start(piswarm.scenario(load=[{"users": 8, "spawn_rate": 20, "hold": "5s"}]))
    started.wait_for("stage 1 of 1, hold")
    command, *children = started.family()
    for child in children:
        *_, module = (word for word in child.cmdline() if not word.startswith("-"))
        assert module in {"worker.simulation.rack", "worker.agent.node", "master.target", "master.project.process"}
        # How it writes its log is all that is new.
        assert child.environ() == command.environ() | {
            "PYTHONIOENCODING": "utf-8:backslashreplace",
            "PYTHONUNBUFFERED": "1",
        }
    finished = started.finish()
    files = [path for path in finished.directory.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path.name for path in files if b'"secret":' in path.read_bytes()]
