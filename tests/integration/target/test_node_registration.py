"""Nodes of the platform over real HTTP: hardware validation, pools, monitoring, many at once, loss, statistics."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from processes import Target

pytestmark = pytest.mark.node_registration

PI_5 = {
    "model": "Raspberry Pi 5 Model B Rev 1.0",
    "architecture": "aarch64",
    "cpu_count": 4,
    "memory_mb": 8063,
    "disk_mb": 119_000,
}
PI_4 = {"model": "Raspberry Pi 4 Model B Rev 1.5", "cpu_count": 4, "memory_mb": 3794, "disk_mb": 29_500}
BEAT = {"cpu_percent": 12.5, "memory_percent": 40.0, "temperature_c": 51.5}
AT_ONCE = 120


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(*database_options) as started:
        yield started


def register(target: Target, token: str, name: str, hardware: dict[str, Any] = PI_5) -> dict[str, Any]:
    reply = target.ask("POST", "/nodes", {"name": name, **hardware}, token)
    assert reply.status == 201, reply
    return reply.json


def heartbeat(target: Target, token: str, name: str, **changes: Any) -> dict[str, Any]:
    reply = target.ask("POST", f"/nodes/{name}/heartbeat", BEAT | changes, token)
    assert reply.status == 200, reply
    return reply.json


def wait_until(holds: Callable[[], Any]) -> Any:
    """What `holds` returns once it is true. Fails after 20 s."""
    deadline_s = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    return found


def test_a_node_registers_with_its_hardware(target: Target, account: str) -> None:
    """What it says is kept, and its room is all free; again is 200 and keeps its history."""
    made = register(target, account, "first")
    assert made == made | PI_5 | {"name": "first", "owner": "node0001", "state": "registered", "pool": "default"}
    assert (made["free_cpu_count"], made["free_memory_mb"], made["free_disk_mb"]) == (4, 8063, 119_000)
    heartbeat(target, account, "first")
    again = target.ask("POST", "/nodes", {"name": "first", **PI_4}, account)
    assert (again.status, again.json["memory_mb"], again.json["heartbeats"]) == (200, 3794, 1)
    assert again.json["registered_at"] == made["registered_at"]
    assert target.ask("GET", "/nodes/first", token=account).json == again.json


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"cpu_count": 8}, ["cpu_count 8 contradicts the model"]),
        ({"memory_mb": 6000}, ["memory_mb 6000 contradicts the model"]),
        ({"architecture": "armv7l"}, ["architecture armv7l is none of"]),
        ({"architecture": "x86_64"}, ["architecture x86_64 contradicts the model"]),
        (
            {"model": "toy", "cpu_count": 1, "memory_mb": 256, "disk_mb": 10},
            ["cpu_count 1 is below 2", "memory_mb 256 is below 400", "disk_mb 10 is below 7000"],
        ),
    ],
)
def test_hardware_that_can_not_be_is_refused_with_every_fault(
    target: Target, account: str, changes: dict[str, Any], faults: list[str]
) -> None:
    """With 422, and the node is not known afterwards."""
    reply = target.ask("POST", "/nodes", {"name": "refused", **PI_5, **changes}, account)
    assert reply.status == 422
    for fault in faults:
        assert fault in reply.json["error"]["message"]
    assert reply.json["error"]["message"].count(";") == len(faults) - 1
    assert target.ask("GET", "/nodes/refused", token=account).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "UPPER", **PI_5},
        {"name": "x", **PI_5, "cpu_count": "4"},
        {"name": "x", **PI_5, "memory_mb": 2**40},
        {"name": "x", **PI_5, "gpu": 1},
        {"name": "statistics", **PI_5},
    ],
)
def test_a_malformed_registration_is_refused(target: Target, account: str, body: dict[str, Any]) -> None:
    """Missing, unknown, wrongly typed and reserved things alike."""
    assert target.ask("POST", "/nodes", body, account).status == 422


def test_only_nodes_and_administrators_register(target: Target) -> None:
    """A user may look, and nobody without a token."""
    user = target.sign_in("user0001")
    assert target.ask("POST", "/nodes", {"name": "x", **PI_5}, user).status == 403
    assert target.ask("POST", "/nodes", {"name": "x", **PI_5}).status == 401
    assert target.ask("GET", "/nodes", token=user).status == 200


def test_another_accounts_node_is_refused(target: Target, account: str, admin: str) -> None:
    """Neither renewed, reported for nor removed; an administrator may."""
    register(target, account, "guarded")
    foreign = target.sign_in("node0002")
    for method, path, body in (
        ("POST", "/nodes", {"name": "guarded", **PI_4}),
        ("POST", "/nodes/guarded/heartbeat", BEAT),
        ("DELETE", "/nodes/guarded", None),
    ):
        assert target.ask(method, path, body, foreign).status == 403
    assert target.ask("GET", "/nodes/guarded", token=foreign).json["heartbeats"] == 0
    assert heartbeat(target, admin, "guarded")["owner"] == "node0001"
    assert target.ask("DELETE", "/nodes/guarded", token=account).status == 200
    assert target.ask("GET", "/nodes/guarded", token=account).status == 404


def test_nodes_are_put_into_pools_by_their_hardware_or_by_an_administrator(
    target: Target, account: str, admin: str
) -> None:
    """The most demanding pool that takes a node gets it, until an administrator says otherwise."""
    for pool in ({"name": "large", "min_memory_mb": 8000}, {"name": "few", "min_memory_mb": 8001, "max_nodes": 1}):
        made = target.ask("POST", "/pools", pool, admin)
        assert (made.status, made.json) == (201, made.json | pool | {"nodes": 0})
        assert target.ask("POST", "/pools", pool, admin).status == 409
        assert target.ask("POST", "/pools", pool, account).status == 403
    assert [register(target, account, f"pooled-{n}")["pool"] for n in range(2)] == ["few", "large"]
    assert register(target, account, "pooled-2", PI_4)["pool"] == "default"

    def choose(node: str, pool: str | None) -> tuple[int, Any]:
        reply = target.ask("PUT", f"/nodes/{node}/pool", {"pool": pool}, admin)
        return reply.status, reply.json.get("pool") or reply.json["error"]["message"]

    assert choose("pooled-0", "default") == (200, "default")
    again = target.ask("POST", "/nodes", {"name": "pooled-0", **PI_5}, account)
    assert (again.json["pool"], again.json["is_pool_fixed"]) == ("default", True)
    assert choose("pooled-2", "large") == (
        409,
        "the pool large does not take this node: memory_mb 3794 is below 8000",
    )
    assert choose("pooled-0", "nowhere") == (404, "pool not found")
    assert choose("pooled-1", "few") == (200, "few")
    assert choose("pooled-0", "few") == (409, "the pool few is full")
    assert choose("pooled-0", None) == (200, "large")
    assert target.ask("PUT", "/nodes/pooled-0/pool", {"pool": "default"}, account).status == 403
    listed = {pool["name"]: pool["nodes"] for pool in target.ask("GET", "/pools", token=account).json["pools"]}
    assert (listed["few"], listed["large"]) == (1, 1)
    names = [node["name"] for node in target.ask("GET", "/nodes?pool=large", token=account).json["nodes"]]
    assert names == ["pooled-0"]
    assert target.ask("DELETE", "/pools/large", token=admin).status == 409
    assert target.ask("DELETE", "/pools/default", token=admin).status == 409
    for name in ("pooled-0", "pooled-1"):
        assert target.ask("DELETE", f"/nodes/{name}", token=account).status == 200
    for name in ("large", "few"):
        assert target.ask("DELETE", f"/pools/{name}", token=admin).status == 200


def test_heartbeats_are_monitored(target: Target, account: str) -> None:
    """CPU, memory, temperature and the network's rates, the newest first."""
    register(target, account, "busy")
    for number in range(5):
        node = heartbeat(
            target,
            account,
            "busy",
            cpu_percent=10.0 * number,
            network_received_bytes=10**12 + 1000 * number,
            network_sent_bytes=500,
        )
    assert (node["state"], node["heartbeats"], node["cpu_percent"], node["temperature_c"]) == ("online", 5, 40.0, 51.5)
    assert node["network_received_bytes"] == 10**12 + 4000
    assert node["network_received_bytes_per_s"] > 0
    assert node["network_sent_bytes_per_s"] == 0
    page = target.ask("GET", "/nodes/busy/samples?limit=3", token=account).json
    assert [sample["cpu_percent"] for sample in page["samples"]] == [40.0, 30.0, 20.0]
    rest = target.ask("GET", f"/nodes/busy/samples?limit=3&before={page['next']!r}", token=account).json
    assert ([sample["cpu_percent"] for sample in rest["samples"]], rest["next"]) == ([10.0, 0.0], None)
    assert rest["samples"][-1]["network_received_bytes_per_s"] is None


@pytest.mark.parametrize(
    "changes",
    [{"cpu_percent": 101}, {"memory_percent": -1}, {"temperature_c": 1e6}, {"network_sent_bytes": -1}, {"fan": 1}],
)
def test_an_impossible_heartbeat_is_refused(target: Target, account: str, changes: dict[str, Any]) -> None:
    """Before anything is noted."""
    register(target, account, "careful")
    assert target.ask("POST", "/nodes/careful/heartbeat", BEAT | changes, account).status == 422
    assert target.ask("DELETE", "/nodes/careful", token=account).json["heartbeats"] == 0


def test_a_hundred_nodes_register_at_once(target: Target, admin: str) -> None:
    """Each in its pool, and a pool with a limit takes no more than that."""
    assert (
        target.ask("POST", "/pools", {"name": "at-most-20", "min_memory_mb": 8000, "max_nodes": 20}, admin).status
        == 201
    )
    tokens = [target.sign_in(f"node{number:04d}") for number in range(101, 101 + AT_ONCE)]
    together = threading.Barrier(AT_ONCE)

    def one(number: int) -> int:
        body = {"name": f"many-{number:03d}", **(PI_5 if number % 2 else PI_4)}
        together.wait(30)
        return target.ask("POST", "/nodes", body, tokens[number]).status

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert set(pool.map(one, range(AT_ONCE))) == {201}
    found: list[dict[str, Any]] = []
    after = "many-"
    while after is not None:
        page = target.ask("GET", f"/nodes?limit=100&after={after}", token=admin).json
        found += [node for node in page["nodes"] if node["name"].startswith("many-")]
        after = page["next"]
    assert Counter(node["pool"] for node in found) == {"at-most-20": 20, "default": AT_ONCE - 20}
    assert {node["owner"] for node in found} == {f"node{number:04d}" for number in range(101, 101 + AT_ONCE)}


def test_statistics_sum_up_all_nodes(target: Target, account: str, admin: str) -> None:
    """They count what the nodes say, and the metrics agree."""
    register(target, account, "counted")
    heartbeat(target, account, "counted", temperature_c=83.5)
    refused = target.ask("POST", "/nodes", {"name": "x", **PI_5, "cpu_count": 3}, account)
    assert refused.status == 422

    def current() -> dict[str, Any] | None:
        found = target.ask("GET", "/nodes/statistics", token=admin).json
        return found if found["max_temperature_c"] == 83.5 and found["registrations_refused"] else None

    statistics = wait_until(current)  # they are kept for a second
    nodes: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = target.ask("GET", f"/nodes?limit=100&after={after}", token=admin).json
        nodes += page["nodes"]
        after = page["next"]
    assert statistics["total"] == len(nodes) == statistics["alive"] + statistics["lost"]
    for name in ("cpu_count", "memory_mb", "disk_mb", "free_cpu_count", "heartbeats"):
        assert statistics[name] == sum(node[name] for node in nodes)
    pools = Counter(node["pool"] for node in nodes)
    assert statistics["nodes_by_pool"] == {pool: pools[pool] for pool in statistics["nodes_by_pool"]}
    metrics = target.ask("GET", "/metrics").body.decode()
    assert f"target_nodes {float(len(nodes))}\n" in metrics
    assert f'target_pool_nodes{{pool="default"}} {float(pools["default"])}\n' in metrics
    overall = target.ask("GET", "/admin/statistics", token=admin).json["nodes"]
    assert overall["total"] == len(nodes)


def test_a_silent_node_is_lost_until_it_is_heard_again(own_database_options: list[str]) -> None:
    """Another that goes on reporting stays, and the loss is counted once."""
    with Target(*own_database_options, "--alive-within", "1.5") as target:
        account = target.sign_in("node0003")
        register(target, account, "silent")
        register(target, account, "talking")

        def lost() -> bool:
            heartbeat(target, account, "talking")
            node = target.ask("GET", "/nodes/silent", token=account).json
            return node["state"] == "lost" and node["losses"] == 1

        wait_until(lost)
        assert target.ask("GET", "/nodes/talking", token=account).json["state"] == "online"
        assert heartbeat(target, account, "silent")["state"] == "online"
        for name in ("silent", "talking"):
            target.ask("DELETE", f"/nodes/{name}", token=account)


def test_nodes_and_pools_survive_the_death_of_the_process(tmp_path: Path) -> None:
    """What was answered is there again after SIGKILL."""
    with Target("--database", str(tmp_path / "target.db")) as target:
        admin = target.sign_in("admin01")
        assert target.ask("POST", "/pools", {"name": "kept", "min_memory_mb": 8000}, admin).status == 201
        register(target, admin, "survivor")
        heartbeat(target, admin, "survivor")
        before = target.ask("GET", "/nodes/survivor", token=admin).json
        target.process.kill()
    with Target("--database", str(tmp_path / "target.db")) as target:
        admin = target.sign_in("admin01")
        after = target.ask("GET", "/nodes/survivor", token=admin).json
        assert after == before | {"heard_at": after["heard_at"]}
        assert after["pool"] == "kept"
        assert target.ask("GET", "/pools/kept", token=admin).json["nodes"] == 1
        assert len(target.ask("GET", "/nodes/survivor/samples", token=admin).json["samples"]) == 1
