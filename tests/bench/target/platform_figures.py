"""Figures of the platform that no run of load shows: single requests, many at once, blocks, and a new validator's sync."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

from children import BenchError
from client import Client
from target_gates import Gate, ceiling, floor

REPEATS = 20
SESSIONS, SERVERS, REGISTRATIONS, SCORES = 64, 24, 128, 100
TRANSACTIONS, SUBMITTERS = 4000, 8
BLOCKS = 3
"""So many blocks are waited for, at the ten seconds that a block has."""
WAIT_S = 90.0
_SCREEN = {"resolution": [1920, 1080]}

Connect = Callable[[str], Client]
"""A client that is signed in as the account of that name."""


def single_requests(connect: Connect) -> list[Gate]:
    """The slowest of some requests of each kind, one after the other."""
    with closing(connect("user0001")) as user, closing(connect("node0001")) as node:
        health_s = _slowest(lambda _: user.ask("GET", "/health").elapsed_s)
        session_s = _slowest(lambda _: user.ask("POST", "/sessions", _SCREEN).elapsed_s)
        registration_s = _slowest(lambda number: node.ask("POST", "/nodes", _node(f"single-{number}")).elapsed_s)
        server_s = _slowest(lambda _: _create_server(user))
        score_s = _slowest(lambda number: _score(node, "single-0", number))
    area = "one request, the slowest of 20"
    return [
        ceiling(area, "health", 1, "s", health_s),
        ceiling(area, "session create", 2, "s", session_s),
        ceiling(area, "RDP server create and start", 5, "s", server_s),
        ceiling(area, "node registration", 3, "s", registration_s),
        ceiling(area, "PoOT record and score", 1, "s", score_s),
    ]


def many_at_once(connect: Connect) -> list[Gate]:
    """How many of a kind were there at once, each by a client of its own."""

    def session(number: int) -> bool:
        with closing(connect(f"user{number + 1:04d}")) as user:
            made = user.ask("POST", "/sessions", _SCREEN).content
            user.ask("POST", f"/sessions/{made['id']}/chunks", bytes(16 * 1024))
            return bool(user.ask("GET", f"/sessions/{made['id']}").content["chunks"] == 1)

    def registration(number: int) -> bool:
        with closing(connect(f"node{number + 1:04d}")) as node:
            name = f"many-{number}"
            return bool(node.ask("POST", "/nodes", _node(name)).content["name"] == name)

    def server(number: int) -> str:
        with closing(connect(f"user{number + 1:04d}")) as user:
            return str(user.ask("POST", "/rdp/servers", {"start": True, "memory_mb": 64}).content["id"])

    def answers(server_id: str) -> bool:
        return bool(admin.ask("POST", f"/rdp/servers/{server_id}/test").content["reachable"])

    area = "at once"
    with ThreadPoolExecutor(32) as pool, closing(connect("admin01")) as admin:
        registrations = sum(pool.map(registration, range(REGISTRATIONS)))
        sessions = sum(pool.map(session, range(SESSIONS)))
        servers = sum(map(answers, list(pool.map(server, range(SERVERS)))))
    with closing(connect("node0001")) as node:
        began_s = time.perf_counter()
        for number in range(SCORES):
            _score(node, "many-0", number)
        scores_an_hour = SCORES / (time.perf_counter() - began_s) * 3600
    return [
        floor(area, "sessions", 50, "", sessions),
        floor(area, "RDP servers that answer", 20, "", servers),
        floor(area, "node registrations", 100, "", registrations),
        floor(area, "PoOT scores an hour", 1000, "", scores_an_hour),
    ]


def chain(connect: Connect) -> list[Gate]:
    """Transactions until they are final, blocks, their consensus, and a validator that begins with nothing."""

    def submit(number: int) -> None:
        with closing(connect(f"user{number + 1:04d}")) as user:
            for each in range(TRANSACTIONS // SUBMITTERS):
                user.ask("POST", "/chain/transactions", {"payload": {"number": each}, "nonce": f"bench-{each}"})

    with closing(connect("admin01")) as admin, ThreadPoolExecutor(SUBMITTERS) as pool:
        before = admin.ask("GET", "/chain/statistics").content
        began_s = time.perf_counter()
        list(pool.map(submit, range(SUBMITTERS)))
        wanted = before["transactions"] + TRANSACTIONS
        _wait(lambda: admin.ask("GET", "/chain/statistics").content["transactions"] >= wanted, "final transactions")
        final_per_s = TRANSACTIONS / (time.perf_counter() - began_s)
        height = admin.ask("GET", "/chain/consensus").content["height"] + BLOCKS
        _wait(lambda: admin.ask("GET", "/chain/consensus").content["height"] >= height, "further blocks")
        blocks = admin.ask("GET", f"/chain/blocks?limit={BLOCKS + 1}").content["blocks"]
        intervals_s = [later["created_at"] - earlier["created_at"] for later, earlier in pairwise(blocks)]
        statistics = admin.ask("GET", "/chain/statistics").content
        admin.ask("POST", "/chain/validators", {"name": "bench"})
        _wait(lambda: _bench_validator(admin)["state"] != "syncing", "the new validator's sync")
        sync_s = _bench_validator(admin)["sync_s"]
    area = "chain"
    return [
        ceiling(area, "longest block interval", 10.5, "s", max(intervals_s)),
        ceiling(area, "longest consensus", 5, "s", statistics["max_consensus_s"]),
        floor(area, "transactions until final", 100, "/s", final_per_s),
        ceiling(area, "sync of a new validator", 30, "s", sync_s),
    ]


def _bench_validator(admin: Client) -> dict[str, object]:
    validators = admin.ask("GET", "/chain/consensus").content["validators"]
    return next(each for each in validators if each["name"] == "bench")


def _slowest(request: Callable[[int], float]) -> float:
    return max(map(request, range(REPEATS)))


def _node(name: str) -> dict[str, object]:
    return {"name": name, "model": "Raspberry Pi 5", "cpu_count": 4, "memory_mb": 8192, "disk_mb": 65536}


def _create_server(user: Client) -> float:
    made = user.ask("POST", "/rdp/servers", {"start": True, "memory_mb": 64})
    server = f"/rdp/servers/{made.content['id']}"
    user.ask("POST", f"{server}/stop")
    user.ask("DELETE", server)
    return made.elapsed_s


def _score(node: Client, name: str, number: int) -> float:
    """Report work that ended an hour ago or longer, and read the score; how long both took together, in seconds."""
    started_at = time.time() - 7200 + 10 * number
    record = {
        "node": name,
        "kind": "session",
        "units": 10,
        "quality_ppm": 900_000,
        "started_at": started_at,
        "ended_at": started_at + 5,
    }
    reported = node.ask("POST", "/poot/records", record)
    return reported.elapsed_s + node.ask("GET", f"/poot/scores/{name}").elapsed_s


def _wait(holds: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > until_s:
            raise BenchError(f"{what} did not come within {WAIT_S:.0f} s")
        time.sleep(0.2)
