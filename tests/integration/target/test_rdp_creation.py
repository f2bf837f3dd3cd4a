"""RDP servers over real HTTP and real sockets: allocation, start, connection, monitoring, many at once, stop, hostile bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from processes import Target

from worker.users.lucid.rdp.client import RdpConnection
from worker.users.lucid.rdp.connection import TLS

pytestmark = pytest.mark.rdp_creation

NODES = 8
AT_ONCE = 24
# [MS-RDPBCGR] 4.1.1: a client that offers Standard RDP Security alone, and its confirm (4.1.2).
REQUEST = bytes.fromhex("0300002c27e00000000000436f6f6b69653a206d737473686173683d656c746f6e730d0a0100080000000000")
CONFIRM = bytes.fromhex("030000130ed000001234000200080000000000")
DATA = bytes.fromhex("0300000c02f08001020304ff")


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(*database_options) as started:
        token = started.sign_in("node0001")
        for number in range(NODES):
            add_node(started, token, f"pi-{number}")
        yield started


def add_node(target: Target, token: str, name: str) -> None:
    node = {"name": name, "model": "Raspberry Pi 5", "cpu_count": 4, "memory_mb": 8063, "disk_mb": 119_000}
    assert target.ask("POST", "/nodes", node, token).status == 201


def create(target: Target, token: str, **wanted: Any) -> dict[str, Any]:
    reply = target.ask("POST", "/rdp/servers", wanted, token)
    assert reply.status == 201, reply
    return reply.json


def act(target: Target, token: str, server: dict[str, Any], action: str) -> dict[str, Any]:
    reply = target.ask("POST", f"/rdp/servers/{server['id']}/{action}", token=token)
    assert reply.status == 200, reply
    return reply.json


def usage(target: Target, token: str, server: dict[str, Any]) -> dict[str, Any]:
    reply = target.ask("GET", f"/rdp/servers/{server['id']}/usage", token=token)
    assert reply.status == 200, reply
    return reply.json


def remove(target: Target, token: str, server: dict[str, Any]) -> None:
    """Stop a server if it runs, and delete it."""
    target.ask("POST", f"/rdp/servers/{server['id']}/stop", token=token)
    assert target.ask("DELETE", f"/rdp/servers/{server['id']}", token=token).status == 200


def connect(server: dict[str, Any]) -> socket.socket:
    """An established connection."""
    sock = socket.create_connection((server["host"], server["port"]), 10)
    sock.sendall(REQUEST)
    assert receive(sock, len(CONFIRM)) == CONFIRM
    return sock


def receive(sock: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (piece := sock.recv(size - len(received))):
        received += piece
    return received


def is_cut(sock: socket.socket) -> bool:
    """Whether the server hangs up without a further byte."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def wait_until(holds: Callable[[], Any]) -> Any:
    """What `holds` returns once it is true. Fails after 20 s."""
    deadline_s = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    return found


def test_a_server_from_creation_to_deletion(target: Target, user: str) -> None:
    """Created on a node, started, connected to, monitored, stopped, deleted."""
    server = create(target, user, cpu_count=2, memory_mb=2048, disk_mb=4096, security="rdp")
    assert server == server | {"state": "created", "owner": "user0001", "cpu_count": 2, "started_at": None}
    node = target.ask("GET", f"/nodes/{server['node']}", token=user).json
    assert (node["free_cpu_count"], node["free_memory_mb"], node["free_disk_mb"]) == (2, 8063 - 2048, 119_000 - 4096)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server["host"], server["port"]), 10)
    started = act(target, user, server, "start")
    assert (started["state"], started["port"]) == ("running", server["port"])
    with connect(started) as sock:
        sock.sendall(DATA)
        expected = {"connections_now": 1, "received_bytes": len(REQUEST + DATA), "sent_bytes": len(CONFIRM)}
        wait_until(lambda: usage(target, user, server).items() >= expected.items())
        stopped = act(target, user, server, "stop")
        assert is_cut(sock)
    assert stopped["state"] == "stopped"
    seen = usage(target, user, server)
    assert seen == seen | {"connections_now": 0, "connections": 1, "confirmed": 1, "refused": 0, "running_s": 0}
    assert seen["memory_mb"] == 2048
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server["host"], server["port"]), 10)
    work = target.ask("GET", f"/nodes/{server['node']}/work?since={server['created_at']!r}", token=user).json
    assert work["server_s"] == pytest.approx(stopped["stopped_at"] - started["started_at"], abs=1e-3)
    deleted = target.ask("DELETE", f"/rdp/servers/{server['id']}", token=user)
    assert (deleted.status, deleted.json["state"]) == (200, "deleted")
    assert target.ask("GET", f"/rdp/servers/{server['id']}", token=user).status == 404
    assert target.ask("GET", f"/nodes/{server['node']}", token=user).json["free_memory_mb"] == 8063


def test_only_what_the_state_allows_is_done(target: Target, user: str) -> None:
    """Everything else is 409 and changes nothing."""
    server = create(target, user)
    path = f"/rdp/servers/{server['id']}"
    for state, allowed in (("created", "start"), ("running", "stop"), ("stopped", "start"), ("running", "stop")):
        assert target.ask("GET", path, token=user).json["state"] == state
        for action in {"start", "stop", "test"} - {allowed} - ({"test"} if state == "running" else set()):
            assert target.ask("POST", f"{path}/{action}", token=user).status == 409
        if state == "running":
            assert target.ask("DELETE", path, token=user).status == 409
        act(target, user, server, allowed)
    remove(target, user, server)


@pytest.mark.parametrize(("security", "protocol"), [("negotiate", "ssl"), ("tls", "ssl"), ("rdp", "rdp")])
def test_the_connection_test_connects_for_real(target: Target, user: str, security: str, protocol: str) -> None:
    """It tells the time that it took, the protocol that was agreed on, and is counted as a connection."""
    server = create(target, user, security=security, start=True)
    found = act(target, user, server, "test")
    assert (found["reachable"], found["protocol"], found["error"]) == (True, protocol, None)
    assert found["connect_ms"] > 0
    assert found["answer_ms"] > 0
    assert usage(target, user, server)["connections"] == 1
    remove(target, user, server)


def test_the_load_profiles_client_connects_and_starts_tls(target: Target, user: str) -> None:
    """Another implementation of the protocol, which offers TLS and CredSSP as usual clients do."""
    server = create(target, user, start=True)
    connection = RdpConnection(server["host"], server["port"], 10)
    confirm, _ = connection.request("user0001")
    assert confirm.protocol == TLS
    connection.start_tls()
    assert usage(target, user, server).items() >= {"connections_now": 1, "confirmed": 1, "refused": 0}.items()
    connection.close()
    wait_until(lambda: usage(target, user, server)["connections_now"] == 0)
    remove(target, user, server)


def test_a_failed_negotiation_says_why(target: Target, user: str) -> None:
    """SSL_REQUIRED_BY_SERVER and SSL_NOT_ALLOWED_BY_SERVER, after which the server hangs up."""
    for security, offered, code in (("tls", 0, 1), ("rdp", 1, 2), ("rdp", 3, 2)):
        server = create(target, user, security=security, start=True)
        with socket.create_connection((server["host"], server["port"]), 10) as sock:
            sock.sendall(REQUEST[:-4] + bytes((offered, 0, 0, 0)))
            assert receive(sock, 19) == CONFIRM[:11] + bytes((3, 0, 8, 0, code, 0, 0, 0))
            assert is_cut(sock)
        remove(target, user, server)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x03\x00\xff\xff" + bytes(1000),
        b"\x03\x00\x00\x06\x01\xe0",
        b"\x03\x00\x00\x0b\x06\xd0\x00\x00\x00\x00\x00",
        b"\x03\x00\x00\x0b\xff\xe0\x00\x00\x00\x00\x00",
        REQUEST + b"impatient",
        REQUEST[:20] + b"\x00" * 24,
        bytes(1_000_000),
    ],
    ids=["http", "too long", "too short", "confirm", "length", "impatient", "no negotiation", "megabyte"],
)
def test_hostile_bytes_close_their_own_connection_alone(target: Target, user: str, garbage: bytes) -> None:
    """Another connection to the same server stays, and so does the target."""
    server = create(target, user, security="rdp", start=True)
    with connect(server) as good:
        with socket.create_connection((server["host"], server["port"]), 10) as bad:
            with contextlib.suppress(ConnectionError):
                bad.sendall(garbage)
            assert is_cut(bad)
        good.sendall(DATA)
        wait_until(lambda: usage(target, user, server)["refused"] == 1)
        assert usage(target, user, server)["connections_now"] == 1
        good.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert is_cut(good)
    assert act(target, user, server, "test")["reachable"]
    remove(target, user, server)


def test_more_than_twenty_servers_are_created_and_used_at_once(target: Target, user: str) -> None:
    """Each on a port of its own, and all hold a connection at the same time."""
    together = threading.Barrier(AT_ONCE)

    def one(_number: int) -> dict[str, Any]:
        together.wait(30)
        return create(target, user, security="rdp", start=True)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        servers = list(pool.map(one, range(AT_ONCE)))
        assert {server["state"] for server in servers} == {"running"}
        assert len({server["port"] for server in servers}) == AT_ONCE
        assert max(Counter(server["node"] for server in servers).values()) <= 4  # cores of a node
        with contextlib.ExitStack() as stack:
            for sock in pool.map(connect, servers):
                stack.enter_context(sock)
            seen = [usage(target, user, server)["connections_now"] for server in servers]
            assert seen == [1] * AT_ONCE
            statistics = target.ask("GET", "/rdp/statistics", token=user).json
            assert (statistics["servers"]["running"], statistics["connections_now"]) == (AT_ONCE, AT_ONCE)
            metrics = target.ask("GET", "/metrics").body.decode()
            assert f'target_rdp_servers{{state="running"}} {float(AT_ONCE)}\n' in metrics
            overall = target.ask("GET", "/admin/statistics", token=target.sign_in("admin01")).json["rdp_servers"]
            assert overall == {"total": AT_ONCE, "running": AT_ONCE}
        list(pool.map(lambda server: remove(target, user, server), servers))
    assert target.ask("GET", "/nodes/statistics", token=user).status == 200
    assert target.ask("GET", "/rdp/statistics", token=user).json["allocated_cpu_count"] == 0


def test_a_server_gets_no_more_than_a_node_has(target: Target, user: str) -> None:
    """Best fit, by all three resources; a node can be named; what is deleted is free again."""
    first = create(target, user, cpu_count=3, memory_mb=6000)
    second = create(target, user, cpu_count=1, memory_mb=1024)
    assert second["node"] == first["node"]
    third = create(target, user, cpu_count=1, memory_mb=2048)
    assert third["node"] != first["node"]
    for wanted in (
        {"cpu_count": 5},
        {"memory_mb": 9000},
        {"disk_mb": 200_000},
        {"node": first["node"]},
        {"pool": "nobody-made-it"},
        {"node": "nobody-registered-it"},
    ):
        refused = target.ask("POST", "/rdp/servers", wanted, user)
        assert (refused.status, refused.json["error"]["code"]) == (409, "conflict")
    node = target.sign_in("node0001")
    assert target.ask("DELETE", f"/nodes/{first['node']}", token=node).status == 409
    for server in (first, second, third):
        remove(target, user, server)
    again = create(target, user, cpu_count=4, memory_mb=8063, node=first["node"])
    remove(target, user, again)


@pytest.mark.parametrize(
    "wanted",
    [{"cpu_count": 0}, {"memory_mb": "1"}, {"disk_mb": -1}, {"security": "none"}, {"port": 22}, {"node": "../etc"}],
)
def test_a_malformed_request_is_refused(target: Target, user: str, wanted: dict[str, Any]) -> None:
    """Nothing is allocated for it."""
    assert target.ask("POST", "/rdp/servers", wanted, user).status == 422


def test_a_user_has_its_own_servers_and_an_administrator_all(target: Target, user: str, admin: str) -> None:
    """Another's server is not told apart from none; nodes have no servers to make."""
    server = create(target, user)
    path = f"/rdp/servers/{server['id']}"
    other = target.sign_in("user0002")
    unknown = target.ask("GET", "/rdp/servers/0123456789abcdef", token=other)
    for method, where in (("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/test"), ("GET", "/usage")):
        assert target.ask(method, path + where, token=other).body == unknown.body
        assert target.ask(method, path + where).status == 401
    assert target.ask("POST", "/rdp/servers", {}, target.sign_in("node0001")).status == 403
    assert target.ask("GET", path, token=admin).json == server
    assert server["id"] not in str(target.ask("GET", "/rdp/servers", token=other).json)
    assert server["id"] in str(target.ask("GET", "/rdp/servers", token=admin).json)
    remove(target, admin, server)


def test_servers_come_in_pages(target: Target) -> None:
    """Newest first."""
    token = target.sign_in("user0003")
    made = [create(target, token)["id"] for _ in range(5)]
    found: list[str] = []
    query = "limit=2"
    while True:
        page = target.ask("GET", f"/rdp/servers?{query}", token=token).json
        found += [server["id"] for server in page["servers"]]
        if page["next"] is None:
            break
        query = f"limit=2&after={page['next']}"
    assert found == made[::-1]
    for server_id in made:
        remove(target, token, {"id": server_id})


def test_statistics_go_on_counting_what_is_deleted(target: Target, user: str) -> None:
    """Totals never shrink."""
    before = target.ask("GET", "/rdp/statistics", token=user).json
    server = create(target, user, security="rdp", start=True)
    with connect(server):
        pass
    act(target, user, server, "test")
    remove(target, user, server)
    after = target.ask("GET", "/rdp/statistics", token=user).json
    grown = {name: after[name] - before[name] for name in ("created", "started", "stopped", "deleted", "tests")}
    assert grown == dict.fromkeys(grown, 1)
    assert after["connections"] - before["connections"] == 2
    assert after["received_bytes"] - before["received_bytes"] > len(REQUEST)
    assert after["servers"] == before["servers"]


def test_a_session_brings_a_server_with_it(target: Target, user: str) -> None:
    """It runs on a registered node for as long as the session is open; without room there is no session."""
    made = target.ask("POST", "/sessions", {"resolution": [800, 600], "server": True}, user)
    assert made.status == 201
    server = target.ask("GET", f"/rdp/servers/{made.json['server']}", token=user).json
    assert (server["state"], server["session"], server["owner"]) == ("running", made.json["id"], "user0001")
    assert target.ask("GET", f"/nodes/{server['node']}", token=user).json["state"] != "lost"
    assert act(target, user, server, "test")["reachable"]
    assert target.ask("POST", f"/sessions/{made.json['id']}/close", token=user).status == 200
    assert target.ask("GET", f"/rdp/servers/{server['id']}", token=user).status == 404
    taken = [create(target, user, cpu_count=4) for _ in range(NODES)]
    refused = target.ask("POST", "/sessions", {"resolution": [800, 600], "server": True}, user)
    assert (refused.status, refused.json["error"]["code"]) == (409, "conflict")
    for server in taken:
        remove(target, user, server)


def test_the_time_that_a_server_runs_counts_for_its_node(target: Target, user: str, admin: str) -> None:
    """When it stops, its server-seconds are work of the node, by which PoOT scores it; a node can't claim any itself."""
    node = target.sign_in("node0001")
    add_node(target, node, "worker")
    server = create(target, user, node="worker", start=True)

    def has_run_for_a_second() -> bool:
        return bool(usage(target, user, server)["running_s"] >= 1)

    wait_until(has_run_for_a_second)
    remove(target, user, server)
    work = target.ask("GET", "/nodes/worker/work", token=user).json
    assert work["server_s"] >= 1
    score = target.ask("GET", "/poot/scores/worker", token=user)
    assert (score.status, score.json["records"], score.json["units"]) == (200, 1, int(work["server_s"]))
    claim = {"node": "worker", "kind": "server", "units": 1, "quality_ppm": 1, "started_at": 1, "ended_at": 2}
    assert target.ask("POST", "/poot/records", claim, node).status == 422
    assert target.ask("DELETE", "/nodes/worker", token=admin).status == 200


def test_the_servers_of_a_lost_node_are_stopped(own_database_options: list[str]) -> None:
    """Their clients are hung up on, and the reason is said."""
    with Target(*own_database_options, "--alive-within", "1") as target:
        account, user = target.sign_in("node0004"), target.sign_in("user0004")
        add_node(target, account, "doomed")
        server = create(target, user, node="doomed", security="rdp", start=True)
        with connect(server) as sock:
            assert is_cut(sock)
        found = wait_until(lambda: read_if(target, user, server, "stopped"))
        assert found["reason"] == "the node doomed was lost"
        assert target.ask("POST", f"/rdp/servers/{server['id']}/start", token=user).status == 409
        remove(target, user, server)


def read_if(target: Target, token: str, server: dict[str, Any], state: str) -> dict[str, Any] | None:
    """The server, if it is in that state."""
    found = target.ask("GET", f"/rdp/servers/{server['id']}", token=token).json
    return found if found["state"] == state else None


@pytest.mark.parametrize("kill", [False, True], ids=["ended", "killed"])
def test_what_ran_runs_again_after_a_restart(tmp_path: Path, *, kill: bool) -> None:
    """On the same port, with the same allocation; what was stopped stays stopped."""
    with Target("--database", str(tmp_path / "target.db")) as target:
        add_node(target, target.sign_in("node0001"), "pi")
        user = target.sign_in("user0001")
        running = create(target, user, security="rdp", start=True)
        stopped = act(target, user, create(target, user, start=True), "stop")
        created = create(target, user)
        if kill:
            target.process.kill()
    with Target("--database", str(tmp_path / "target.db")) as target:
        user = target.sign_in("user0001")
        for server, state in ((running, "running"), (stopped, "stopped"), (created, "created")):
            found = target.ask("GET", f"/rdp/servers/{server['id']}", token=user).json
            assert (found["state"], found["port"]) == (state, server["port"])
        connect(running).close()
        assert target.ask("GET", "/nodes/pi", token=user).json["free_cpu_count"] == 1
        for server in (running, stopped, created):
            remove(target, user, server)
        assert target.ask("GET", "/nodes/pi", token=user).json["free_cpu_count"] == 4


def test_the_systems_free_ports_can_be_used() -> None:
    """With --rdp-ports 0 a server has a port from when it is started."""
    with Target("--rdp-ports", "0", "--rdp-servers", "2") as target:
        add_node(target, target.sign_in("node0001"), "pi")
        user = target.sign_in("user0001")
        server = create(target, user, security="rdp")
        assert server["port"] is None
        started = act(target, user, server, "start")
        connect(started).close()
        create(target, user)
        assert target.ask("POST", "/rdp/servers", {}, user).status == 409
