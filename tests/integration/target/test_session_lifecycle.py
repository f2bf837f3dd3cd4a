"""Sessions over HTTP, on the real target: from their creation to the anchor in the chain, with what can go wrong on the way."""

from __future__ import annotations

import gzip
import os
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from processes import Target
from session_client import BLOCK_TIME_S, SCREEN, Client, Restarts, again

from master.target.chain.ledger.merkle import is_in_tree
from worker.users.lucid import screen_chunks

pytestmark = pytest.mark.session_lifecycle

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(*database_options, f"--block-time={BLOCK_TIME_S}") as started:
        yield started


@pytest.fixture(scope="module")
def client(target: Target) -> Client:
    return Client(target, "user0001")


def test_a_session_is_created_recorded_and_processed(client: Client) -> None:
    """Each chunk comes back as it was sent, and processing gives the root over all of them."""
    session = client.create(codec="av1")
    session.send(*screen_chunks.chunks(), b"x", os.urandom(70_000), bytes(MIB))
    recording = session.read()
    assert (recording["state"], recording["chunks"]) == ("recording", len(session.sent))
    processed = session.process()
    assert (processed["state"], processed["root"], processed["reason"]) == ("processed", session.root(), None)
    assert processed["raw_bytes"] == sum(map(len, session.sent))
    assert processed["reduction"] == pytest.approx(1 - processed["stored_bytes"] / processed["raw_bytes"], abs=1e-4)
    assert processed["processing_s"] > 0
    for number, chunk in enumerate(session.sent):
        assert client.ask("GET", f"{session.path}/chunks/{number}").body == chunk


def test_a_processed_session_is_anchored_in_the_chain(client: Client) -> None:
    """The root stands in a transaction of the session's owner, in the final block that the session names."""
    session = client.create()
    session.send(*screen_chunks.chunks())
    session.process()
    anchoring = session.step("anchor").json
    assert (anchoring["state"], anchoring["anchor_height"]) == ("anchoring", None)
    assert session.step("anchor").status == 409
    anchored = session.until("anchored", "failed")
    assert (anchored["state"], anchored["anchor"], anchored["reason"]) == ("anchored", anchoring["anchor"], None)
    transaction = client.ask("GET", f"/chain/transactions/{anchored['anchor']}").json
    assert (transaction["kind"], transaction["sender"]) == ("anchor", "user0001")
    assert transaction["height"] == anchored["anchor_height"] > 0
    assert transaction["payload"] == {
        "session": session.id,
        "root": session.root(),
        "chunks": len(session.sent),
    }
    for number, chunk in enumerate(session.sent):
        proof = client.ask("GET", f"{session.path}/chunks/{number}/proof").json
        path = [bytes.fromhex(node) for node in proof["path"]]
        root = bytes.fromhex(transaction["payload"]["root"])
        assert is_in_tree(sha256(chunk).digest(), number, transaction["payload"]["chunks"], path, root)
        assert proof["anchor"] == anchored["anchor"]


def test_a_session_may_have_an_rdp_server(target: Target, client: Client) -> None:
    """A session that asks for a server gets one on a node that registered, and the server goes when the recording ends."""
    refused = client.ask("POST", "/sessions", SCREEN | {"server": True})
    assert (refused.status, refused.json["error"]["code"]) == (409, "conflict")  # there is no node yet
    node = {"name": "pi-1", "model": "Raspberry Pi 5", "cpu_count": 4, "memory_mb": 8063, "disk_mb": 119_000}
    assert Client(target, "node0001").ask("POST", "/nodes", node).status == 201
    session = client.create(server=True)
    server_id = session.read()["server"]
    server = client.ask("GET", f"/rdp/servers/{server_id}").json
    assert (server["state"], server["session"], server["node"]) == ("running", session.id, "pi-1")
    with socket.create_connection((server["host"], server["port"]), 10):
        session.send(b"a chunk")
    assert session.process()["server"] == server_id
    assert client.ask("GET", f"/rdp/servers/{server_id}").status == 404
    assert client.create().read()["server"] is None


def test_a_session_without_chunks_is_processed_too(client: Client) -> None:
    """Its root is that of the empty tree, and there is no reduction to speak of."""
    session = client.create()
    processed = session.process()
    assert (processed["state"], processed["root"]) == ("processed", sha256().hexdigest())
    assert (processed["chunks"], processed["reduction"]) == (0, None)


def test_desktops_shrink_by_more_than_70_percent(client: Client) -> None:
    """Gzip at level 6 and encryption, on what looks like a desktop."""
    session = client.create()
    session.send(*screen_chunks.chunks())
    assert session.read()["reduction"] > 0.7


STEPS: dict[str, tuple[str, str, Any]] = {
    "chunk": ("POST", "/chunks", b"a chunk"),
    "put": ("PUT", "/chunks/0", b"a chunk"),
    "close": ("POST", "/close", None),
    "anchor": ("POST", "/anchor", None),
    "recover": ("POST", "/recover", {}),
    "reopen": ("POST", "/recover", {"to": "recording"}),
}


@pytest.mark.parametrize(
    ("state", "way", "possible"),
    [
        ("created", [], {"chunk", "put", "close"}),
        ("recording", ["chunk"], {"chunk", "put", "close"}),
        ("processed", ["chunk", "close"], {"anchor"}),
        ("anchored", ["chunk", "close", "", "anchor"], set()),
    ],
)
def test_every_step_that_a_state_does_not_allow_is_a_conflict(
    client: Client, state: str, way: list[str], possible: set[str]
) -> None:
    """A step that can't be taken now is answered with 409 and the state, and changes nothing."""
    session = client.create()
    for name in way:
        if not name:
            session.until("processed")
            continue
        method, path, body = STEPS[name]
        assert client.ask(method, session.path + path, body).status in {200, 201}
    before = session.until(state)
    for name in STEPS.keys() - possible:
        method, path, body = STEPS[name]
        reply = client.ask(method, session.path + path, body)
        assert (reply.status, reply.json["error"]["code"]) == (409, "conflict"), name
        assert reply.json["error"]["message"] == f"session is {state}"
    assert session.read() == before


def test_chunks_sent_at_once_get_numbers_of_their_own(client: Client) -> None:
    """However many requests store chunks in one session at the same time, each chunk is there once and under its number."""
    session = client.create()
    chunks = [os.urandom(8) * 20_000 for _ in range(32)]  # long enough to be compressed in threads

    def send(chunk: bytes) -> int:
        reply = client.ask("POST", f"{session.path}/chunks", chunk)
        assert reply.status == 201, reply
        return reply.json["sequence"]

    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(send, chunks))
    assert sorted(numbers) == list(range(32))
    session.sent = [chunk for _, chunk in sorted(zip(numbers, chunks, strict=True))]
    assert session.process()["root"] == session.root()


def test_a_chunk_put_again_is_stored_once(client: Client) -> None:
    """A client that had no answer repeats its request under the same number, and nothing is there twice."""
    session = client.create()
    assert client.ask("PUT", f"{session.path}/chunks/1", b"early").status == 409
    statuses = [client.ask("PUT", f"{session.path}/chunks/0", b"first").status for _ in range(3)]
    assert statuses == [201, 200, 200]
    assert client.ask("PUT", f"{session.path}/chunks/0", b"better").status == 200
    session.sent = [b"better"]
    session.send(b"second")
    found = session.process()
    assert (found["chunks"], found["raw_bytes"], found["root"]) == (2, 12, session.root())


def test_a_client_may_compress_by_itself(client: Client) -> None:
    """A chunk sent as gzip is the same chunk, and its length is the one before compression."""
    session = client.create()
    chunk = screen_chunks.chunks()[0]
    reply = client.ask("POST", f"{session.path}/chunks", gzip.compress(chunk, 9), **{"Content-Encoding": "gzip"})
    assert (reply.status, reply.json["raw_bytes"], reply.json["sha256"]) == (201, len(chunk), sha256(chunk).hexdigest())
    assert client.ask("GET", f"{session.path}/chunks/0").body == chunk


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"", "identity", 422),
        (bytes(MIB + 1), "identity", 413),
        (gzip.compress(random.Random(1).randbytes(MIB), mtime=0), "gzip", 413),
        (gzip.compress(bytes(64 * MIB), mtime=0), "gzip", 422),
        (gzip.compress(bytes(MIB + 1), mtime=0)[:-4] + b"\x01\0\0\0", "gzip", 422),
        (gzip.compress(b"a chunk", mtime=0)[:-1], "gzip", 422),
        (gzip.compress(b"a chunk", mtime=0) + b"more", "gzip", 422),
        (b"a chunk", "gzip", 422),
        (b"a chunk", "br", 415),
    ],
)
def test_a_bad_chunk_is_refused_and_nothing_is_stored(client: Client, body: bytes, encoding: str, status: int) -> None:
    """A chunk that is empty, too long, unpacks to too much, or lies about its compression leaves the session as it was."""
    session = client.create()
    reply = client.ask("POST", f"{session.path}/chunks", body, **{"Content-Encoding": encoding})
    assert reply.status == status, reply
    read = session.read()
    assert (read["state"], read["chunks"], read["raw_bytes"]) == ("created", 0, 0)


@pytest.mark.parametrize("number", ["1", "-1", "x", "1e3", "9" * 10, "9" * 40, "%00", "%D9%A3"])
def test_a_chunk_that_is_not_there_is_not_found(client: Client, number: str) -> None:
    """Any other number, and whatever is no number, is answered with 404."""
    session = client.create()
    session.send(b"a chunk")
    reply = client.ask("GET", f"{session.path}/chunks/{number}")
    assert reply.status == 404, reply


def test_sessions_of_others_are_not_found(target: Target, client: Client) -> None:
    """Whatever another user asks of a session is answered as if there were none; an administrator may do it all."""
    other, admin = Client(target, "user0002"), Client(target, "admin01")
    session = client.create()
    session.send(b"a chunk")
    unknown = other.ask("GET", "/sessions/0123456789abcdef").body
    reads = [("GET", path, None) for path in ("", "/chunks/0", "/chunks/0/proof")]
    for method, path, body in [*reads, *STEPS.values()]:
        reply = other.ask(method, session.path + path, body)
        assert (reply.status, reply.body) == (404, unknown), path
    assert admin.ask("GET", f"{session.path}/chunks/0").body == b"a chunk"
    assert admin.ask("POST", f"{session.path}/close").status == 200


def test_nodes_have_no_sessions(target: Target) -> None:
    """The role of a node allows none of it."""
    node = Client(target, "node0001")
    assert node.ask("GET", "/sessions").status == 403
    assert node.ask("POST", "/sessions", SCREEN).status == 403
    assert node.ask("GET", "/sessions/statistics").status == 403


def test_more_than_50_sessions_at_once(target: Target) -> None:
    """64 clients go through the whole of a session at the same time, and each gets its own root."""

    def live(number: int) -> bool:
        session = Client(target, f"user{number:04d}").create()
        session.send(*(os.urandom(4) * 1000 * (number % 5 + 1) for _ in range(6)))
        found = session.process()
        return (found["state"], found["root"]) == ("processed", session.root())

    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(live, range(1001, 1065)))


def test_statistics_are_exact(target: Target) -> None:
    """One's own figures are those of one's own sessions; an administrator's are those of everybody."""
    client, admin = Client(target, "user0500"), Client(target, "admin01")
    before = admin.statistics()
    sessions = [client.create() for _ in range(4)]
    for session in sessions[1:]:
        session.send(bytes(1000), bytes(2000))
    processed = [session.process() for session in sessions[2:]]
    own = client.statistics()
    infos = [session.read() for session in sessions]
    assert {state: count for state, count in own["by_state"].items() if count} == {
        "created": 1,
        "recording": 1,
        "processed": 2,
    }
    assert (own["sessions"], own["chunks"], own["raw_bytes"]) == (4, 6, 9000)
    assert own["stored_bytes"] == sum(info["stored_bytes"] for info in infos)
    assert own["reduction"] == pytest.approx(1 - own["stored_bytes"] / 9000, abs=1e-4)
    assert own["mean_processing_s"] == pytest.approx(sum(info["processing_s"] for info in processed) / 2)
    everybody = admin.statistics()
    for key in ("sessions", "chunks", "raw_bytes", "stored_bytes"):
        assert everybody[key] - before[key] == own[key]
    gauges = target.ask("GET", "/metrics").body.decode()
    assert f'target_sessions{{state="processed"}} {float(everybody["by_state"]["processed"])}' in gauges


@pytest.fixture(params=["sqlite", "postgresql"])
def restarts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restarts]:
    if request.param == "sqlite":
        made = Restarts(str(tmp_path / "target.db"))
    else:
        made = Restarts(request.getfixturevalue("postgres").new_database())
    yield made
    made.target.end()


def test_what_was_acknowledged_survives_being_killed(restarts: Restarts) -> None:
    """After kill -9 every session is as it was last read, and every chunk can be read, with the same key, which is secret."""
    client = restarts.client()
    sessions = [client.create() for _ in range(3)]
    for session in sessions[1:]:
        session.send(*screen_chunks.chunks())
    sessions[2].process()
    before = [session.read() for session in sessions]
    statistics = client.statistics()
    restarts.kill()
    client = restarts.client()
    sessions = [again(session, client) for session in sessions]
    assert [session.read() for session in sessions] == before
    assert client.statistics() == statistics
    for session in sessions[1:]:
        for number, chunk in enumerate(session.sent):
            assert client.ask("GET", f"{session.path}/chunks/{number}").body == chunk
    sessions[1].send(b"one more")
    assert sessions[1].process()["root"] == sessions[1].root()


def test_a_session_killed_in_processing_is_taken_up_at_the_next_start(restarts: Restarts) -> None:
    """A target that is killed right after it has acknowledged the end of recording processes the session later."""
    client = restarts.client()
    session = client.create()
    session.send(*[os.urandom(MIB) for _ in range(20)])
    assert session.step("close").status == 200
    restarts.kill()
    found = again(session, restarts.client()).until("processed", "failed")
    assert (found["state"], found["root"]) == ("processed", session.root())


def test_a_session_killed_in_anchoring_is_anchored_by_the_next_process(restarts: Restarts) -> None:
    """The transaction that a killed target has acknowledged becomes final later, and the session is anchored in its block."""
    client = restarts.client()
    sessions = [client.create() for _ in range(3)]
    for session in sessions:
        session.send(session.id.encode())
        session.process()
        assert session.step("anchor").json["state"] == "anchoring"
    restarts.kill()
    client = restarts.client()
    for session in sessions:
        anchored = again(session, client).until("anchored", "failed")
        assert (anchored["state"], anchored["root"]) == ("anchored", session.root())
        transaction = client.ask("GET", f"/chain/transactions/{anchored['anchor']}").json
        assert transaction["height"] == anchored["anchor_height"]


def test_a_damaged_session_fails_and_is_recovered(restarts: Restarts) -> None:
    """Chunks that were changed or lost on the disk make the session fail; retried it fails again, mended it is processed."""
    client = restarts.client()
    session, whole = client.create(), client.create()
    session.send(*screen_chunks.chunks())
    whole.send(b"a chunk")

    lost = "session = (SELECT serial FROM sessions WHERE id = ?) AND sequence = ?"
    restarts.execute(f"DELETE FROM chunks WHERE {lost}", session.id, 2)
    restarts.execute(f"UPDATE chunks SET sealed = ? WHERE {lost}", os.urandom(500), session.id, 5)
    restarts.kill()
    client = restarts.client()
    session, whole = again(session, client), again(whole, client)
    assert client.ask("GET", f"{session.path}/chunks/2").status == 404
    reply = client.ask("GET", f"{session.path}/chunks/5")
    assert (reply.status, reply.json["error"]["code"]) == (500, "damaged")
    failed = session.process()
    assert (failed["state"], failed["damaged"], failed["root"]) == ("failed", [2, 5], None)
    assert "1 missing and 1 failing authentication" in failed["reason"]
    assert whole.process()["state"] == "processed"
    for name in ("chunk", "put", "close", "anchor"):
        method, path, body = STEPS[name]
        assert client.ask(method, session.path + path, body).status == 409
    assert session.step("recover", {"to": "nowhere"}).status == 422
    assert session.step("recover", {}).json["state"] == "processing"
    assert session.until("failed", "processed")["damaged"] == [2, 5]
    reopened = session.step("recover", {"to": "recording"}).json
    assert (reopened["state"], reopened["damaged"]) == ("recording", [2, 5])
    for number in reopened["damaged"]:
        assert client.ask("PUT", f"{session.path}/chunks/{number}", session.sent[number]).status == 200
    mended = session.process()
    assert (mended["state"], mended["root"], mended["reason"]) == ("processed", session.root(), None)
    assert mended["raw_bytes"] == sum(map(len, session.sent))
