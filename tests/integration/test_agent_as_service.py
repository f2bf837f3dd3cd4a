"""The agent as its unit starts it: orders from a file, and signs of life for systemd, whose socket is played here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
from processes import ROOT

from worker.curve import Endpoint, new_keys
from worker.orders import NodeOrders

LIMIT_S = 60.0


def test_it_says_that_it_is_up_and_then_again_and_again_that_it_is_alive(tmp_path: Path) -> None:
    """No controller is there, and the file on standard input is at its end from the start: with `outlive_s` it lives on."""
    orders = tmp_path / "orders.json"
    endpoint = Endpoint("tcp://127.0.0.1:9", new_keys().public)
    orders.write_bytes(msgspec.json.encode(NodeOrders("pi001", endpoint, new_keys(), outlive_s=1e9)) + b"\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, orders.open("rb") as stream:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)
        agent = subprocess.Popen(
            [sys.executable, "-P", "-m", "worker.node"],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": ".",
                "STATE_DIRECTORY": str(tmp_path),
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "100000",
            },
            stdin=stream,
        )
        try:
            assert manager.recv(200) == b"READY=1\nWATCHDOG=1"
            assert [manager.recv(200) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            agent.terminate()
            assert agent.wait(LIMIT_S) == 0
        finally:
            if psutil.pid_exists(agent.pid):
                agent.kill()
                agent.wait()
