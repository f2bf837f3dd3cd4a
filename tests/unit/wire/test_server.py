"""The controller's port on loopback, with real encrypted peers: who is let in, as which node, and that nothing stops it."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
import zmq.green as zmq
from gevent import monkey
from gevent.queue import Queue
from locust.exception import RPCError

from master.errors import InputError
from master.fleet.server import AGENT, FleetServer
from worker.wire.bounds import MAX_MESSAGE_BYTES
from worker.wire.curve import Endpoint, Keys, connect, end_context, new_keys
from worker.wire.messages import (
    AgentHeartbeat,
    ClockReply,
    Facts,
    Hello,
    Leave,
    ProjectMessage,
    ProjectRequest,
    Quit,
    Reading,
    Ready,
    RunEndRequest,
    Sample,
    UsersRunning,
    Welcome,
    WorkerEnded,
    WorkerRecovered,
    decode_controller_message,
    encode,
)
from worker.wire.reports import EndpointSecond, ErrorCount, Report, WorkerSecond

PI1, PI2, STRANGER = new_keys(), new_keys(), new_keys()
HELLO = Hello(Facts(simulated=True, model="Pi 4", cpu_count=4, memory_bytes=1, os="o", python="p", piswarm="v"))
SAMPLE = Sample(
    7, 1.5, 1.6, Reading(cpu_percent=1, memory_percent=2, memory_used_bytes=3, load_1min=4, temperature_c=50.0)
)
REPORT = Report(
    5,
    1,
    0,
    1.5,
    {"ApiUser": 2},
    [WorkerSecond(1, 12.5, 3.0, {5: 20}, [EndpointSecond("GET", "/", 2, 1, 100, 9.5, {9: 2})])],
    [ErrorCount("GET", "/", "no", 1)],
)
AGENT_MESSAGES = [
    HELLO,
    SAMPLE,
    AgentHeartbeat(),
    ClockReply(1.5, 2.5, 3.5),
    WorkerEnded("pi1_0", "signal 9", 0.5, crashing=True),
    WorkerRecovered("pi1_0"),
    ProjectRequest("0a" * 32, 0),
    Leave(),
]
READY = Ready("2.47.0", 5, 1, "run")
WORKER_DATA: list[tuple[str, Any]] = [
    ("client_ready", READY),
    ("stats", REPORT),
    ("spawning", None),
    ("spawning_complete", UsersRunning({"ApiUser": 2}, 2)),
    ("end_run", RunEndRequest("run", "the locustfile called runner.quit()")),
    ("project_message", ProjectMessage("names", b"\x93")),
    ("client_stopped", None),
    ("quit", None),
]
UNKNOWN_KEY = "connection with an unknown key"
OTHER_NODE = "identity of another node"
UNDECODABLE = "message can't be decoded"


def eventually(holds: Callable[[], bool]) -> None:
    """Let the other greenlets work until something holds."""
    with gevent.Timeout(10):
        while not holds():
            gevent.sleep(0.005)


class Peer:
    """One connection to the port, which sends its identity before each message."""

    def __init__(self, socket: Any, identity: bytes) -> None:
        self.socket = socket
        self._identity = identity

    def send(self, message: bytes) -> None:
        self.socket.send_multipart([self._identity, message])

    def recv(self) -> bytes:
        return bytes(self.socket.recv())


class Port:
    """A server that the test listens to, and peers that connect to it."""

    def __init__(self) -> None:
        self.server = FleetServer("127.0.0.1", 0, new_keys(), {PI1.public: "pi1", PI2.public: "pi2"})
        self.drops = self.server.drops
        self._context = zmq.Context()
        self._peers: list[Peer] = []
        self._heard: Queue[Any] = Queue()
        self._listener = gevent.spawn(self._listen)

    def _listen(self) -> None:
        while True:
            self._heard.put(self.server.recv_from_client())

    def peer(self, identity: str | bytes = "pi1", keys: Keys = PI1, server_key: str = "") -> Peer:
        here = self.server.endpoint
        socket = connect(self._context, Endpoint(here.address, server_key or here.public_key), keys)
        peer = Peer(socket, identity.encode() if isinstance(identity, str) else identity)
        self._peers.append(peer)
        return peer

    def receive(self) -> tuple[str, str, Any]:
        """Return the next message that is let through: its sender's identity, its type, its content."""
        identity, message = self._heard.get(timeout=10)
        assert message.node_id == identity
        return identity, message.type, message.data

    def hear_out(self, last: Any) -> int:
        """Return how many messages are let through before `last` is."""
        others = 0
        while self.receive()[2] != last:
            others += 1
        return others

    @property
    def listening(self) -> bool:
        return not self._listener.dead

    def close(self) -> None:
        for peer in self._peers:
            peer.socket.close(linger=0)
        end_context(self._context, start_thread=monkey.get_original("_thread", "start_new_thread"), sleep=gevent.sleep)
        self._listener.kill()
        self.server.close(linger=0)


@pytest.fixture
def port() -> Iterator[Port]:
    port = Port()
    yield port
    assert port.listening
    port.close()


def test_an_agents_messages_come_through_typed(port: Port) -> None:
    """An agent's messages arrive typed, under its node's name, in the order in which they were sent."""
    peer = port.peer()
    peer.send(encode(HELLO))
    peer.send(encode(SAMPLE))
    assert port.receive() == ("pi1", AGENT, HELLO)
    assert port.receive() == ("pi1", AGENT, SAMPLE)
    assert not port.drops


def test_a_workers_messages_come_through_typed(port: Port) -> None:
    """The messages of any worker of a node, which all use the node's key, arrive typed."""
    for identity in ("pi1_0", "pi1_7"):
        peer = port.peer(identity)
        for kind, data in (("client_ready", READY), ("stats", REPORT), ("client_stopped", None)):
            peer.send(encode((kind, data, identity)))
            assert port.receive() == (identity, kind, data)
    assert not port.drops


def test_an_agent_hears_what_is_sent_to_it_alone(port: Port) -> None:
    """A message to an agent reaches that one alone, and one to an agent that is not connected is no error."""
    one, other = port.peer("pi1"), port.peer("pi2", PI2)
    for peer in (one, other):
        peer.send(encode(HELLO))
        port.receive()
    port.server.send_to_agent("pi3", Quit())
    port.server.send_to_agent("pi1", Welcome(2.0))
    port.server.send_to_agent("pi2", Quit())
    assert decode_controller_message(one.recv()) == Welcome(2.0)
    assert decode_controller_message(other.recv()) == Quit()


def test_an_unknown_key_never_connects_and_is_counted(port: Port) -> None:
    """A peer with an unknown key never connects and is counted, and nothing that it sends is looked at."""
    port.peer("pi1", STRANGER).send(encode(HELLO))
    eventually(lambda: port.drops[UNKNOWN_KEY] > 0)
    port.peer("pi2", PI2).send(encode(SAMPLE))
    assert port.receive() == ("pi2", AGENT, SAMPLE)
    assert set(port.drops) == {UNKNOWN_KEY}


def test_who_has_not_the_controllers_key_reaches_nobody(port: Port) -> None:
    """A peer without the controller's public key, or without encryption, is not heard, whatever key of its own it has."""
    port.peer("pi1", PI1, server_key=STRANGER.public).send(encode(HELLO))
    plain = port._context.socket(zmq.DEALER)
    plain.connect(port.server.endpoint.address)
    plain.send(encode(HELLO))
    port.peer("pi2", PI2).send(encode(SAMPLE))
    assert port.receive() == ("pi2", AGENT, SAMPLE)
    assert not port.drops


def test_the_allowlist_may_change_while_it_is_in_use() -> None:
    """A node that is enrolled while the port is in use is let in at its next attempt."""
    allowlist: dict[str, str] = {}
    port = Port()
    port.server._gate._allowlist = allowlist
    port.peer("pi9", STRANGER).send(encode(HELLO))
    eventually(lambda: port.drops[UNKNOWN_KEY] > 0)
    allowlist[STRANGER.public] = "pi9"
    port.peer("pi9", STRANGER).send(encode(HELLO))
    assert port.receive() == ("pi9", AGENT, HELLO)
    port.close()


@pytest.mark.parametrize("identity", ["pi2", "pi2_0", "pi", "pi11", "pi1-0", "PI1"])
def test_a_right_key_with_another_nodes_identity_is_dropped_and_counted(port: Port, identity: str) -> None:
    """A message whose identity is not of the node whose key was used is dropped and counted."""
    port.peer(identity).send(encode(HELLO))
    eventually(lambda: port.drops[OTHER_NODE] == 1)
    port.peer("pi1").send(encode(SAMPLE))
    assert port.receive() == ("pi1", AGENT, SAMPLE)


@pytest.mark.parametrize("identity", [b"pi1\xff", b"\xff\xfe", "pi1ä".encode(), b""])
def test_an_identity_that_is_no_text_is_dropped_and_counted(port: Port, identity: bytes) -> None:
    """A message whose identity is empty or no text is dropped and counted."""
    port.peer(identity).send(encode(HELLO))
    eventually(lambda: port.drops.total() == 1)
    assert set(port.drops) <= {"identity is no text", OTHER_NODE}
    port.peer("pi1").send(encode(SAMPLE))
    assert port.receive() == ("pi1", AGENT, SAMPLE)


@pytest.mark.parametrize(
    ("identity", "frames", "reason"),
    [
        pytest.param("pi1_0", [encode(("heartbeat", None, "pi1_0"))], "unknown message type", id="type"),
        pytest.param("pi1_0", [encode(("agent", encode(HELLO), "pi1_0"))], "unknown message type", id="reserved type"),
        pytest.param("pi1_0", [encode(("stats", REPORT, "pi1_1"))], OTHER_NODE, id="another worker's report"),
        pytest.param("pi1_0", [encode(("stats", REPORT, None))], OTHER_NODE, id="nobody's report"),
        pytest.param("pi1_0", [encode(("stats", {"a": 1}, "pi1_0"))], UNDECODABLE, id="wrong data"),
        pytest.param("pi1_0", [encode(("stats", [1.5, {}], "pi1_0"))], UNDECODABLE, id="missing fields"),
        pytest.param("pi1_0", [encode(("stats", [1.5, {}, [[-1]], []], "pi1_0"))], UNDECODABLE, id="wrong deep inside"),
        pytest.param("pi1_0", [encode(("quit", "now", "pi1_0"))], UNDECODABLE, id="data where there is none"),
        pytest.param("pi1_0", [encode(["stats"])], UNDECODABLE, id="half an envelope"),
        pytest.param("pi1_0", [encode((1, None, "pi1_0"))], UNDECODABLE, id="a number for a type"),
        pytest.param("pi1_0", [encode(HELLO)], UNDECODABLE, id="an agent's message from a worker"),
        pytest.param("pi1_0", [b"\x93\xa5stats" + b"\x91" * 100_000 + b"\xc0"], UNDECODABLE, id="lists without end"),
        pytest.param("pi1_0", [b"\x93\xa5stats\xdd\xff\xff\xff\xff"], UNDECODABLE, id="four billion elements to come"),
        pytest.param("pi1_0", [b"\x93\xa4\xff\xff\xff\xff\xc0\xc0"], UNDECODABLE, id="a type that is no text"),
        pytest.param("pi1", [encode(("stats", REPORT, "pi1"))], UNDECODABLE, id="a worker's message from an agent"),
        pytest.param("pi1", [encode(Quit())], UNDECODABLE, id="an agent that gives orders"),
        pytest.param("pi1", [encode(("Sample", 1, 1.5))], UNDECODABLE, id="a sample without reading"),
        pytest.param("pi1", [encode(("Hello", {"model": 4}))], UNDECODABLE, id="facts of the wrong type"),
        pytest.param("pi1", [b""], UNDECODABLE, id="nothing"),
        pytest.param("pi1", [b"\xc1"], UNDECODABLE, id="the one byte that MessagePack leaves out"),
        pytest.param("pi1", [b"", encode(HELLO)], "wrong number of frames", id="two frames"),
        pytest.param("pi1", [encode(HELLO)] * 50, "wrong number of frames", id="fifty frames"),
    ],
)
def test_what_is_no_message_is_dropped_and_counted_by_reason(
    port: Port, identity: str, frames: list[bytes], reason: str
) -> None:
    """What is no valid message is dropped and counted by its reason, and the next good message on the connection comes through."""
    peer = port.peer(identity)
    peer.socket.send_multipart([identity.encode(), *frames])
    good = SAMPLE if identity == "pi1" else REPORT
    peer.send(encode(SAMPLE if identity == "pi1" else ("stats", REPORT, identity)))
    assert port.receive()[2] == good
    assert port.drops == {reason: 1}


def test_a_message_beyond_the_limit_costs_its_connection_only(port: Port) -> None:
    """A message beyond the size limit is never read and costs its peer's connection alone; the peer connects anew and is heard."""
    peer, other = port.peer("pi1"), port.peer("pi2", PI2)
    other.send(encode(HELLO))
    assert port.receive() == ("pi2", AGENT, HELLO)
    peer.send(bytes(MAX_MESSAGE_BYTES + 1))

    def repeat() -> None:
        while True:
            peer.send(encode(SAMPLE))
            gevent.sleep(0.05)

    sender = gevent.spawn(repeat)
    assert port.receive() == ("pi1", AGENT, SAMPLE)
    sender.kill()
    other.send(encode(HELLO))
    port.hear_out(HELLO)
    assert not port.drops


def test_a_message_just_within_the_limit_is_looked_at(port: Port) -> None:
    """A message just within the size limit is decoded, and dropped if it can't be."""
    peer = port.peer()
    peer.send(bytes(MAX_MESSAGE_BYTES - 100))
    peer.send(encode(SAMPLE))
    assert port.receive()[2] == SAMPLE
    assert port.drops == {UNDECODABLE: 1}


def test_a_node_that_comes_back_takes_its_name_along(port: Port) -> None:
    """A node that connects anew takes over its name, even while its former connection is open, as after a crash."""
    old = port.peer()
    old.send(encode(HELLO))
    port.receive()
    new = port.peer()
    new.send(encode(SAMPLE))
    assert port.receive() == ("pi1", AGENT, SAMPLE)
    port.server.send_to_agent("pi1", Quit())
    assert decode_controller_message(new.recv()) == Quit()


def test_who_takes_another_nodes_identity_gets_none_of_its_messages(port: Port) -> None:
    """A node that claims another's identity with a key of its own gets none of the other's messages."""
    victim, thief = port.peer("pi1"), port.peer("pi1", PI2)
    victim.send(encode(HELLO))
    port.receive()
    thief.send(encode(HELLO))
    thief.socket.setsockopt(zmq.RCVTIMEO, 300)
    eventually(lambda: port.drops[OTHER_NODE] == 1)
    port.server.send_to_agent("pi1", Quit())
    assert decode_controller_message(victim.recv()) == Quit()
    assert not thief.socket.poll(200)


@pytest.mark.parametrize("identity", ["pi1_", "pi1_x", "pi1_0_0", "pi1_8", "pi1_10", "pi1_-1", "pi1_0 "])
def test_a_node_has_no_more_names_than_workers(port: Port, identity: str) -> None:
    """A node can have no more identities than workers, so that it can't fill the controller's memory with them."""
    port.peer(identity).send(encode(("client_ready", READY, identity)))
    eventually(lambda: port.drops[OTHER_NODE] == 1)


def test_a_revoked_node_is_cut_off_at_once(port: Port) -> None:
    """A revoked node's live connection is cut, it gets no new one, and other nodes' connections go on."""
    peer, worker, other = port.peer("pi1"), port.peer("pi1_0"), port.peer("pi2", PI2)
    peer.send(encode(HELLO))
    worker.send(encode(("client_ready", READY, "pi1_0")))
    other.send(encode(HELLO))
    assert {port.receive()[0] for _ in range(3)} == {"pi1", "pi1_0", "pi2"}
    monitor = peer.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    port.server.revoke("pi1")
    with gevent.Timeout(10):
        monitor.recv_multipart()
    peer.socket.disable_monitor()
    eventually(lambda: port.drops[UNKNOWN_KEY] > 0)  # it tries to come back
    other.send(encode(SAMPLE))
    assert port.receive() == ("pi2", AGENT, SAMPLE)
    port.server.send_to_agent("pi2", Quit())
    assert decode_controller_message(other.recv()) == Quit()
    port.server.revoke("pi3")  # nobody's name


def mutated(dice: random.Random, good: bytes) -> bytes:
    """Return `good` with a few bytes changed, cut out or put in, or sometimes something else altogether."""
    frame = bytearray(good)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(frame) + 1)
        match dice.randrange(5):
            case 0:
                frame[at : at + 1] = dice.randbytes(1)
            case 1:
                del frame[at : at + dice.randint(1, 8)]
            case 2:
                frame[at:at] = dice.randbytes(dice.randint(1, 8))
            case 3:
                # Bytes that begin MessagePack's numbers, texts, lists and maps with lengths to follow.
                frame[at : at + 1] = bytes([dice.randint(0xC0, 0xDF)])
            case _:
                frame = bytearray(dice.randbytes(dice.randint(0, 40)))
    return bytes(frame)


@pytest.mark.parametrize(
    ("identity", "goods"),
    [
        ("pi1", [encode(message) for message in AGENT_MESSAGES]),
        ("pi1_0", [encode((kind, data, "pi1_0")) for kind, data in WORKER_DATA]),
    ],
)
def test_ten_thousand_damaged_messages_are_each_dropped_or_decoded(
    port: Port, identity: str, goods: list[bytes]
) -> None:
    """Of ten thousand damaged messages each is dropped and counted or decoded, and the good one after them comes through."""
    dice = random.Random(20_260_101)
    last = Sample(123_456, 9.5, 9.6, SAMPLE.reading) if identity == "pi1" else Report(5, 1, 0, 123_456.5, {}, [], [])
    peer = port.peer(identity)
    for _ in range(10_000):
        peer.send(mutated(dice, dice.choice(goods)))
    peer.send(encode(last if identity == "pi1" else ("stats", last, identity)))
    decoded = port.hear_out(last)
    assert decoded + port.drops.total() == 10_000
    assert port.drops.total() > 5000


def test_a_port_that_is_taken_is_the_operators_to_free() -> None:
    """A port that is taken is wrong input: the message names it and what to do, and nothing stays open."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port: int = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} on 127.0.0.1 is taken by another program") as caught:
            FleetServer("127.0.0.1", port, new_keys(), {})
    assert "--port" in caught.value.hint
    server = FleetServer("127.0.0.1", port, new_keys(), {})
    assert server.port == port
    server.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "not a host"])
def test_an_address_that_is_not_this_machines_is_refused(host: str) -> None:
    """An address that is not this machine's is wrong input, with a hint at --listen."""
    with pytest.raises(InputError, match=f"can't listen on '{host}': no address of this machine") as caught:
        FleetServer(host, 0, new_keys(), {})
    assert "--listen" in caught.value.hint


def test_whoever_listens_is_told_when_the_port_is_closed() -> None:
    """A listener of a closed port gets an RPCError, which Locust's listener knows."""
    server = FleetServer("127.0.0.1", 0, new_keys(), {})
    server.socket.close(linger=0)
    with pytest.raises(RPCError):
        server.recv_from_client()
    server.close()
