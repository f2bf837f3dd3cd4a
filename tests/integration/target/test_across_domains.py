"""What one domain of the target has another one do, over HTTP."""

from __future__ import annotations

import socket

from processes import Target

from master.target.rdp.protocol.tpkt import HEADER_BYTES
from master.target.rdp.protocol.x224 import ConnectionRequest, Protocols, pack_request

SCREEN = {"resolution": [1920, 1080]}
NODE = {"name": "pi-1", "model": "Raspberry Pi 5", "cpu_count": 4, "memory_mb": 8192}


def test_a_session_that_asks_for_a_server_gets_one_on_a_registered_node_and_gives_it_back(target: Target) -> None:
    """The server listens while the session records; closing the session frees the node's cores and memory again."""
    node, user = target.sign_in("node0001"), target.sign_in("user0001")
    assert target.ask("POST", "/nodes", NODE, node).status == 201
    session = target.ask("POST", "/sessions", {**SCREEN, "server": True}, user).json
    server = target.ask("GET", f"/rdp/servers/{session['server']}", token=user).json
    assert (server["session"], server["node"], server["state"]) == (session["id"], "pi-1", "running")
    assert target.ask("GET", "/nodes/pi-1", token=user).json["free_cpu_count"] == 3
    request = pack_request(ConnectionRequest(Protocols.SSL))
    with socket.create_connection((server["host"], server["port"]), timeout=20) as connection:
        connection.sendall(b"\x03\x00" + (HEADER_BYTES + len(request)).to_bytes(2, "big") + request)
        assert connection.recv(HEADER_BYTES).startswith(b"\x03\x00")
    assert target.ask("POST", f"/sessions/{session['id']}/close", token=user).status == 200
    assert target.ask("GET", "/rdp/servers", token=user).json["servers"] == []
    assert target.ask("GET", "/nodes/pi-1", token=user).json["free_cpu_count"] == 4


def test_a_session_that_no_node_has_room_for_is_not_created(target: Target) -> None:
    """Without a registered node there is no server, and no session that waits for one."""
    user = target.sign_in("user0001")
    refused = target.ask("POST", "/sessions", {**SCREEN, "server": True}, user)
    assert refused.status in {409, 503}, refused
    assert target.ask("GET", "/sessions", token=user).json["sessions"] == []
