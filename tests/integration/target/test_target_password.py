"""The password of the embedded target's accounts: a secret of each run, which the users get over the wire and nobody else anywhere."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from pathlib import Path

import psutil
import pytest
from processes import Piswarm, Started
from standing_fleet import StandingFleet

from master.store import Store

WELL_KNOWN = "piswarm"
CHANGES = {
    "users": {"ApiUser": 1},
    "locustfile": None,
    "validity": {
        "node_cpu": "100 %",
        "node_memory": "100 %",
        "worker_cpu": "100 %",
        "missing_samples": "100 %",
        "loop_lag_p99": "20 s",
        "controller_cpu": "100 %",
        "excluded_share": "100 %",
        "clock_error": "10 s",
        "latency_error": "10000 %",
    },
}


def scenario(piswarm: Piswarm, hold: str, nodes: int) -> Path:
    """One of users that sign in."""
    file = piswarm.scenario(
        load=[{"users": 6, "spawn_rate": 20, "hold": hold}],
        nodes={"expect": nodes, "min": 1},
        thresholds=["errors < 1 %"],
        **CHANGES,
    )
    content = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return file


def password_of(started: Started) -> str:
    """What is kept for a controller that may have to take over."""
    file = started.directory / "keys.json"
    assert file.stat().st_mode & 0o777 == 0o600
    found = json.loads(file.read_text())["target_password"]
    assert isinstance(found, str)
    assert len(found) >= 22  # 128 bits in base64
    return found


def sign_in(port: int, password: str) -> int:
    """The target's answer to that password."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        body = json.dumps({"username": "user0001", "password": password})
        connection.request("POST", "/auth/login", body)
        return connection.getresponse().status
    finally:
        connection.close()


def target_of(started: Started) -> psutil.Process:
    """The process of the embedded target."""
    (found,) = [process for process in started.family() if "master.target" in process.cmdline()]
    return found


def listening_port(process: psutil.Process) -> int:
    (port,) = {connection.laddr.port for connection in process.net_connections("tcp") if connection.status == "LISTEN"}
    return int(port)


def files_with(text: str, *directories: Path) -> list[Path]:
    """All files below that have it in them."""
    files = [path for directory in directories for path in directory.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


def test_on_real_nodes_the_target_has_a_password_that_nobody_knows_and_the_port_after_the_masters(
    piswarm: Piswarm, tmp_path: Path
) -> None:
    """It is in no argument, no environment and no file but the one for its owner alone; the nodes' users sign in with it."""
    with StandingFleet(tmp_path, 2) as fleet:
        started = piswarm.start(scenario(piswarm, "8s", 10), *fleet.options)
        started.wait_for("stage 1 of 1, hold")
        target, password = target_of(started), password_of(started)
        assert listening_port(target) == fleet.port + 1
        assert sign_in(fleet.port + 1, WELL_KNOWN) == 401
        assert sign_in(fleet.port + 1, password) == 200
        processes = [*started.family(), *(process for name in fleet.names for process in fleet.family(name))]
        words = [word for process in processes for word in (*process.cmdline(), *process.environ().values())]
        assert not [word for word in words if password in word]
        assert files_with(password, tmp_path) == [started.directory / "keys.json"]
        finished = started.finish(90)
    assert finished.status == 0, finished.output
    assert finished.result["requests"]["total"] > 5
    assert finished.result["requests"]["failed"] == 0
    assert password not in finished.output
    assert files_with(password, tmp_path) == []


def test_each_run_has_another_password_and_a_resumed_one_the_same(piswarm: Piswarm) -> None:
    """With the target killed too: the one that is started anew lets in the users, who were told the password before."""
    started = piswarm.start(scenario(piswarm, "12s", 2))
    started.wait_for("stage 1 of 1, hold")
    target, first = target_of(started), password_of(started)
    assert sign_in(listening_port(target), WELL_KNOWN) == 401
    started.process.kill()
    started.process.communicate()
    target.kill()
    assert json.loads((started.directory / "keys.json").read_text())["target_password"] == first
    resumed = piswarm.resume(started.directory)
    assert resumed.status in (0, 3), resumed.output
    with contextlib.closing(Store(resumed.directory / "run.db")) as store:
        errors = [row.error for row in store.errors()]
    assert not [error for error in errors if "401" in error], errors  # refused connections there may be: it was killed

    other = piswarm.start(scenario(piswarm, "8s", 2))
    other.wait_for("stage 1 of 1, hold")
    assert password_of(other) != first
    other.finish()


def test_a_taken_port_of_the_target_is_named(piswarm: Piswarm, tmp_path: Path) -> None:
    with StandingFleet(tmp_path, 1) as fleet, socket.create_server(("127.0.0.1", fleet.port + 1)):
        finished = piswarm.run(scenario(piswarm, "5s", 10), *fleet.options)
    assert finished.status == 4, finished.output
    assert f"127.0.0.1:{fleet.port + 1}" in finished.output


@pytest.mark.parametrize("variable", ["", "another"])
def test_who_signs_in_elsewhere_needs_a_password_from_the_environment(
    piswarm: Piswarm, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the controller's, and goes to the nodes by wire; that there is none is told at the start."""
    monkeypatch.setenv("PISWARM_TARGET_PASSWORD", variable)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        started = piswarm.start(scenario(piswarm, "8s", 1), "--target", url)
        if not variable:
            started.wait_for("WARNING: the users sign in, .* PISWARM_TARGET_PASSWORD")
        started.wait_for("stage 1 of 1, hold")
        kept = json.loads((started.directory / "keys.json").read_text())["target_password"]
        assert kept == variable
        started.process.terminate()
        output = started.finish().output
    assert ("PISWARM_TARGET_PASSWORD" in output) is (variable == "")
    assert "another" not in output
