"""`piswarm serve` as a process: a run started from it is shown to its verdict, and nobody else can see or start anything."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import LOCUSTFILE
from prometheus_client.parser import text_string_to_metric_families
from served import PISWARM, Served

PASSWORD = "a password for the lab"
ODD = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scenarios: one that can be started, one with a fault."""
    made = tmp_path_factory.mktemp("served")
    scenarios = made / "scenarios"
    scenarios.mkdir()
    (scenarios / "visitors.py").write_text(LOCUSTFILE)
    content = {
        "name": "visit",
        "target": "embedded",
        "locustfile": "visitors.py",
        "users": {"Visitor": 1},
        "load": [{"users": 8, "spawn_rate": 20, "hold": "60s"}],
        "nodes": {"expect": 1},
        "thresholds": ["errors < 50 %"],
    }
    (scenarios / "visit.yml").write_text(json.dumps(content))
    (scenarios / "faulty.yml").write_text(json.dumps(content | {"users": {"Visitro": 1}}))
    return made


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with Served(folder, "--scenarios", "scenarios", "--control") as started:
        yield started


def wait_for(served: Served, run: str, state: str) -> dict[str, Any]:
    deadline_s = time.monotonic() + 90
    while time.monotonic() < deadline_s:
        rows = {row["id"]: row for row in served.ask("GET", "/api/runs").json["runs"]}
        if run in rows and rows[run]["state"] == state:
            found: dict[str, Any] = rows[run]
            return found
        time.sleep(0.3)
    raise AssertionError(served.ask("GET", "/api/job").json)


def wait_for_job(served: Served) -> None:
    """Return once the command of the run has ended, which makes the report after the result."""
    while served.ask("GET", "/api/job").json["job"]["on"]:
        time.sleep(0.2)


@pytest.fixture(scope="module")
def started(served: Served) -> str:
    """The name of a run that was started from the page, and is on."""
    answer = served.ask("POST", "/api/runs", {"scenario": "visit.yml", "duration": "14s", "users": 6}, **served.own())
    assert answer.status == 202, answer.body
    run: str = answer.json["run"]
    wait_for(served, run, "running")
    return run


def stream(served: Served, run: str, until: str) -> list[tuple[str, Any]]:
    """Server-sent events up to the first one of that name."""
    found = []
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(f"GET /api/runs/{run}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        lines = connection.makefile("r", encoding="utf-8")
        name = ""
        for line in lines:
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
                if name == until:
                    return found
    raise AssertionError(found)


def test_a_run_is_started_watched_and_judged(served: Served, started: str) -> None:
    """A run that was started from the page is followed second by second to its verdict, with the figures of its result."""
    busy = served.ask("POST", "/api/runs", {"scenario": "visit.yml"}, **served.own())
    assert (busy.status, busy.json["error"]) == (409, f"{started} is on")
    families = list(text_string_to_metric_families(served.ask("GET", "/metrics").body.decode()))
    (info,) = [family.samples[0].labels for family in families if family.name == "piswarm_info"]
    assert (info["run"], info["scenario"]) == (started, "visit")
    assert not [family.samples for family in families if family.name == "piswarm_users_planned" and family.samples]
    events = stream(served, started, "end")
    updates = [data for name, data in events if name == "update"]
    assert events[-1][1]["verdict"] in {"PASS", "INVALID"}
    seconds = [row[0] for update in updates for row in update["rows"]]
    assert seconds == sorted(set(seconds))
    assert any(update["state"]["interim"]["verdict"] for update in updates if update["state"]["interim"])
    wait_for(served, started, "ended")
    shown = served.ask("GET", f"/api/runs/{started}").json
    rates = [row[shown["fields"].index("rate_per_s")] for row in shown["rows"]]
    assert sum(rates) == pytest.approx(shown["result"]["requests"]["total"], rel=0.01)
    nodes = served.ask("GET", f"/api/runs/{started}/nodes").json["nodes"]
    history = served.ask("GET", f"/api/runs/{started}/nodes/{nodes[0]['node']}").json
    assert len(history["rows"]) >= 5
    report = served.ask("GET", f"/runs/{started}/report")
    assert report.headers["content-security-policy"].startswith("sandbox")


def test_a_run_can_be_stopped_in_order(served: Served, started: str) -> None:
    """A run is ended as by Ctrl-C, and has a result; stopping one that is not on is refused."""
    wait_for(served, started, "ended")
    wait_for_job(served)
    run = served.ask("POST", "/api/runs", {"scenario": "visit.yml"}, **served.own()).json["run"]
    wait_for(served, run, "running")
    stream(served, run, "update")
    assert served.ask("POST", f"/api/runs/{run}/stop", **served.own()).status == 202
    assert wait_for(served, run, "ended")["verdict"] == "ABORTED"
    wait_for_job(served)
    assert served.ask("POST", f"/api/runs/{run}/stop", **served.own()).status == 409


def test_a_fault_of_the_scenario_is_told_as_the_command_tells_it(served: Served) -> None:
    """The page shows the command's own words, and starts nothing."""
    found = served.ask("POST", "/api/check", {"scenario": "faulty.yml"}, **served.own()).json
    assert found["ok"] is False
    assert "did you mean 'Visitor'?" in found["said"]
    assert served.ask("POST", "/api/check", {"scenario": "visit.yml"}, **served.own()).json["ok"] is True


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "OWN"}, 403),
        ({"Origin": "OWN", "X_CSRF_Token": "guessed"}, 403),
        ({"Origin": "http://evil.example", "Host": "evil.example"}, 421),
    ],
)
def test_another_origin_can_start_nothing(served: Served, headers: dict[str, str], status: int) -> None:
    """A stranger's page in the reader's browser, with or without a guessed token, is refused, and nothing is started."""
    before = served.ask("GET", "/api/runs").json
    headers = {name: value.replace("OWN", served.url) for name, value in headers.items()}
    answer = served.ask("POST", "/api/runs", {"scenario": "visit.yml"}, **headers)
    assert answer.status == status, answer.body
    assert served.ask("GET", "/api/runs").json == before


@pytest.mark.parametrize("path", ["/", "/api/runs", "/metrics", "/static/page.css", "/health", "/api/session"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", ""])
def test_a_rebinding_host_is_refused(served: Served, path: str, host: str) -> None:
    """A name that another has made to mean 127.0.0.1 gets nothing, whatever it asks for."""
    answer = served.ask("GET", path, Host=host)
    assert answer.status in {400, 421}
    assert b"csrf" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/..",
        "/api/runs/%2e%2e",
        "/api/runs/..%2f..%2fetc",
        "/runs/..%2f..%2fetc%2fpasswd/report",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
    ],
)
def test_no_path_leads_out_of_the_folders(served: Served, path: str) -> None:
    """Neither a run's name nor a file's leads to anything else on this machine."""
    answer = served.ask("GET", path)
    assert b"root:" not in answer.body
    assert b"import" not in answer.body or answer.headers["content-type"].startswith("text/html")
    assert answer.status in {200, 303, 400, 404}
    if answer.status == 200:  # the page itself, for which an unknown path is a view that there is not
        assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff\xfe", b'{"scenario": 5}', b'{"scenario":"' + b"a" * 100_000 + b'"}']
)
def test_a_body_that_is_none_is_refused_with_a_reason(served: Served, body: bytes) -> None:
    """Bad input gets status 400 and a sentence."""
    answer = served.ask("POST", "/api/check", body, **served.own())
    assert answer.status == 400
    assert answer.json["error"]


def test_a_page_without_control_starts_nothing(folder: Path) -> None:
    """Without --control everything that would change something is refused, with how to allow it."""
    with Served(folder, "--scenarios", "scenarios") as shown:
        own = shown.own()
        for path in ("/api/runs", "/api/check", "/api/runs/x/stop", "/api/runs/x/resume"):
            answer = shown.ask("POST", path, {"scenario": "visit.yml"}, **own)
            assert (answer.status, "--control" in answer.json["hint"]) == (403, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "there is no account"),
        (["--certificate", "a.pem"], "--certificate and --key go together"),
        (["--set-password", "Not A Name"], "is no name of an account"),
    ],
)
def test_what_would_be_unsafe_does_not_start(tmp_path: Path, options: list[str], said: str) -> None:
    """An address that others reach needs an account and a certificate; status 2 and what to do."""
    environment = {**os.environ, "PISWARM_SERVE_PASSWORD": PASSWORD}
    refused = subprocess.run(
        [*PISWARM, "serve", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr


def test_elsewhere_a_stranger_sees_nothing_and_an_account_everything(folder: Path, tmp_path: Path) -> None:
    """With login and TLS: nothing without a session, wrong passwords wait, the cookie is out of reach of scripts and other sites."""
    state = ["--state", str(tmp_path / "state")]
    environment = {**os.environ, "PISWARM_SERVE_PASSWORD": PASSWORD}
    for options in (["--set-password", "ann"], ["--make-certificate", "--name", "lab.example"]):
        subprocess.run([*PISWARM, "serve", *state, *options], cwd=folder, check=True, timeout=60, env=environment)
    with Served(folder, "--host", "0.0.0.0", "--name", "lab.example", *state, tls=True) as served:
        for path in ("/api/runs", "/api/session", "/metrics", "/static/js/main.js"):
            answer = served.ask("GET", path, Host="lab.example")
            assert answer.status in {401, 303}, path
            assert b"visit" not in answer.body
        assert served.ask("GET", "/", Host="lab.example").headers["location"] == "/login"
        basic = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
        assert served.ask("GET", "/metrics", Host="lab.example", Authorization=f"Basic {basic}").status == 200
        own = {"Origin": "https://lab.example", "Host": "lab.example"}
        right = {"name": "ann", "password": PASSWORD}
        assert served.ask("POST", "/api/login", right, Host="lab.example", Origin="https://evil.example").status == 403
        answer = served.ask("POST", "/api/login", right, **own)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-piswarm=")
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        session = {"Host": "lab.example", "Cookie": cookie.split(";")[0]}
        assert served.ask("GET", "/api/runs", **session).status == 200
        csrf = served.ask("GET", "/api/session", **session).json["csrf"]
        assert served.ask("POST", "/api/logout", **session, Origin="https://lab.example").status == 403
        out = served.ask("POST", "/api/logout", **session, Origin="https://lab.example", X_CSRF_Token=csrf)
        assert out.status == 200
        assert served.ask("GET", "/api/runs", **session).status == 401
        statuses = [served.ask("POST", "/api/login", right | {"password": "wrong one"}, **own).status for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        assert served.ask("POST", "/api/login", right, **own).status == 429
