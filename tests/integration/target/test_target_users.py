"""The user classes at work on the target: nothing fails, and both sides count the same."""

from __future__ import annotations

import socket
import time
from typing import Any

from locust_swarm import Seen, Swarm, answered_by, counted
from processes import Target

EVERYTHING = {
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("GET", "/auth/me"),
    ("GET", "/health"),
    ("POST", "/sessions"),
    ("GET", "/sessions"),
    ("GET", "/sessions/[id]"),
    ("POST", "/sessions/[id]/chunks"),
    ("GET", "/sessions/[id]/chunks/[n]"),
    ("POST", "/sessions/[id]/close"),
    ("POST", "/sessions/[id]/anchor"),
    ("POST", "/poot/records"),
    ("POST", "/poot/batches"),
    ("GET", "/poot/scores/[node]"),
    ("GET", "/poot/ledger/[node]"),
    ("GET", "/poot/statistics"),
    ("GET", "/pools"),
    ("POST", "/pools"),
    ("DELETE", "/pools/[name]"),
    ("POST", "/chain/transactions"),
    ("GET", "/chain/transactions/[id]"),
    ("GET", "/chain/proofs/[id]"),
    ("GET", "/chain/blocks"),
    ("GET", "/chain/blocks/latest"),
    ("GET", "/chain/consensus"),
    ("POST", "/chain/validators"),
    ("POST", "/nodes"),
    ("GET", "/nodes"),
    ("GET", "/nodes/[name]"),
    ("GET", "/nodes/statistics"),
    ("POST", "/nodes/[name]/heartbeat"),
    ("POST", "/rdp/servers"),
    ("GET", "/rdp/servers/[id]"),
    ("DELETE", "/rdp/servers/[id]"),
    ("POST", "/rdp/servers/[id]/start"),
    ("POST", "/rdp/servers/[id]/stop"),
    ("POST", "/rdp/servers/[id]/test"),
    ("GET", "/rdp/servers/[id]/usage"),
    ("GET", "/admin/statistics"),
}


ALL = (
    "ApiUser",
    "SessionUser",
    "AdminUser",
    "NodeUser",
    "RdpUser",
    "PootUser",
    "BlockchainUser",
    "ChainWatchUser",
)
BUSY = ("AuthUser", "GatewayUser", "SessionApiUser", "StreamingUser", "TransactionUser")


def rdp_statistics(target: Target, confirmed: int) -> dict[str, Any]:
    """The target's sums over its RDP servers, once they have so many connections: those of running ones are added up every 2 s."""
    token = target.sign_in("admin01")
    deadline_s = time.monotonic() + 20
    while True:
        found: dict[str, Any] = target.ask("GET", "/rdp/statistics", token=token).json
        if found["confirmed"] >= confirmed or time.monotonic() > deadline_s:
            return found
        time.sleep(0.1)


def test_the_users_do_everything_without_a_failure_and_both_sides_count_the_same(
    swarm: Swarm, database_options: list[str]
) -> None:
    """Requests by HTTP, route by route, and the connections to RDP servers."""
    with Target("--block-time", "0.5", *database_options) as target:
        seen = swarm(target.url, 32, 5, ALL)
        answered = answered_by(target)
        tested = answered["POST", "/rdp/servers/[id]/test"]
        connections = counted(seen, lambda method: method == "RDP")
        servers = rdp_statistics(target, connections["RDP", "request"] + tested)
    assert seen["errors"] == []
    assert seen["raised"] == []
    assert counted(seen, lambda method: method not in {"RDP", "CHAIN"}) == answered
    assert set(answered) == EVERYTHING
    # Of twelve steps of an ApiUser, one renews its tokens and three list its sessions, which no other user does.
    renewed = answered["POST", "/auth/login"] - 32 + answered["POST", "/auth/refresh"]
    assert 1 / 6 < renewed / answered["GET", "/sessions"] < 2 / 3
    assert set(connections) == {("RDP", "connect"), ("RDP", "request"), ("RDP", "tls")}
    assert set(connections.values()) == {servers["confirmed"] - tested}
    assert set(counted(seen, lambda method: method == "CHAIN")) == {
        ("CHAIN", "block interval"),
        ("CHAIN", "consensus"),
        ("CHAIN", "sync"),
    }
    assert servers["refused"] == 0
    assert servers["created"] == answered["POST", "/rdp/servers"]


def test_users_with_short_pauses_are_counted_the_same_on_both_sides(swarm: Swarm) -> None:
    with Target() as target:
        seen = swarm(target.url, 16, 1, BUSY)
        assert seen["errors"] == []
        assert seen["raised"] == []
        assert counted(seen, lambda _: True) == answered_by(target)


def test_rdp_users_wait_while_no_node_has_room(swarm: Swarm) -> None:
    """They ask for no server that can't be had."""
    with Target() as target:
        seen = swarm(target.url, 4, 0.5, ["RdpUser"])
    assert seen["errors"] == []
    assert set(counted(seen, lambda _: True)) == {("POST", "/auth/login"), ("GET", "/nodes/statistics")}


def assert_all_go_on_trying_to_sign_in(seen: Seen, message: str) -> None:
    assert seen["raised"] == []
    assert seen["alive"] == 4
    assert {(method, name) for method, name, _ in seen["errors"]} == {("POST", "/auth/login")}
    assert any(message in error for _, _, error in seen["errors"])
    assert seen["counts"][0][:2] == ["POST", "/auth/login"]
    assert int(seen["counts"][0][2]) > 8


def test_a_refused_sign_in_ends_no_user(swarm: Swarm) -> None:
    with Target(PISWARM_TARGET_PASSWORD="another") as target:
        seen = swarm(target.url, 4, 0.5, ALL)
    assert_all_go_on_trying_to_sign_in(seen, "status 401 instead of 200: unauthorized")


def test_a_target_that_is_not_there_ends_no_user(swarm: Swarm) -> None:
    """The port is bound and not listened on, so that nobody else can answer there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        seen = swarm(f"http://127.0.0.1:{bound.getsockname()[1]}", 4, 0.5, ALL)
    assert_all_go_on_trying_to_sign_in(seen, "Connection refused by 127.0.0.1")
