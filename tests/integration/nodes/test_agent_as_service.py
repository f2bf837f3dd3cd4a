"""The agent as its unit starts it, with settings and keys from its directory, and with signs of life to systemd's socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
from processes import ROOT

from worker.agent.keys import node_keys
from worker.agent.settings import NodeSettings
from worker.wire.curve import Endpoint, new_keys

LIMIT_S = 60.0


def test_it_says_that_it_is_up_and_then_again_and_again_that_it_is_alive(tmp_path: Path) -> None:
    """Without a controller an agent reports that it is up, what it does, and then its signs of life."""
    settings = NodeSettings("pi001", Endpoint("tcp://127.0.0.1:9", new_keys().public))
    (tmp_path / "node.json").write_bytes(msgspec.json.encode(settings) + b"\n")
    node_keys(tmp_path / "keys")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)
        agent = subprocess.Popen(
            [sys.executable, "-P", "-m", "worker.agent.service", str(tmp_path)],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": ".",
                "STATE_DIRECTORY": str(tmp_path),
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "100000",
            },
            stdin=subprocess.DEVNULL,
        )
        try:
            first, *others = (manager.recv(200).decode().splitlines() for _ in range(4))
            assert first[:2] == ["READY=1", "WATCHDOG=1"]
            assert first[2].startswith("STATUS=")
            assert all("WATCHDOG=1" in words for words in others)
            agent.terminate()
            assert agent.wait(LIMIT_S) == 0
        finally:
            if psutil.pid_exists(agent.pid):
                agent.kill()
                agent.wait()


def test_a_node_that_was_told_nothing_yet_says_so(tmp_path: Path) -> None:
    """An agent without settings ends with one line that says so, since it would wait in vain."""
    command = [sys.executable, "-P", "-m", "worker.agent.service", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "node.json" in done.stderr
