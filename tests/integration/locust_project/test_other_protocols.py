"""Users of other protocols on a real node: those of Locust's contrib as they are, and one that measures by worker.measure."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
import socketio
from database_servers import Postgres
from processes import Piswarm
from standing_fleet import StandingFleet
from werkzeug.serving import make_server

LOCUSTFILE = """
import os

import dns.message
import dns.rdatatype
import psycopg
from locust import User, constant, task
from locust.contrib.dns import DNSUser
from locust.contrib.postgres import PostgresUser
from locust.contrib.socketio import SocketIOUser

from worker.measure import measure

DATABASE = os.environ["SHOP_DATABASE"]  # which only the scenario sends here


class Names(DNSUser):
    wait_time = constant(0.2)

    @task
    def ask(self):
        self.client.udp(dns.message.make_query("shop.test", dns.rdatatype.A), "127.0.0.1", port={dns_port}, timeout=5)


class Contrib(PostgresUser):
    conn_string = DATABASE
    wait_time = constant(0.2)

    @task
    def query(self):
        self.client.execute_query("SELECT 1")


class Chat(SocketIOUser):
    wait_time = constant(0.2)

    @task
    def talk(self):
        self.sio.connect("http://127.0.0.1:{socketio_port}", wait_timeout=10)
        assert self.sio.call("echo", "hello") == "hello"
        self.sio.disconnect()


class Shop(User):
    wait_time = constant(0.2)

    def on_start(self):
        self.connection = psycopg.connect(DATABASE)

    @task
    def look_up(self):
        with measure(self, "SQL", "look up") as request:
            (row,) = self.connection.execute("SELECT 'apple'").fetchall()
            request.received_bytes = len(row[0])
            if row[0] != "apple":
                request.fail("the wrong item")
        with measure(self, "SQL", "broken") as request:
            self.connection.execute("SELECT nothing")
        if request.failed:
            self.connection.rollback()
"""


class _Names(socketserver.BaseRequestHandler):
    """Answers any question with one address."""

    def handle(self) -> None:
        data, answering = self.request
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "127.0.0.9"))
        answering.sendto(reply.to_wire(), self.client_address)


@contextmanager
def serving(server: Any) -> Iterator[int]:
    """Serve in a thread of this process; the port."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def chat_server() -> Any:
    chat = socketio.Server(async_mode="threading")
    chat.on("echo", lambda _session, data: data)
    return make_server("127.0.0.1", 0, socketio.WSGIApp(chat), threaded=True)


def test_users_of_other_protocols_run_unchanged_on_a_node_that_gets_a_secret_variable(
    piswarm: Piswarm, tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users of locust.contrib and an own client are counted on a real node, by a variable that no file of the run has in it."""
    with ExitStack() as servers:
        ports = {
            "{dns_port}": servers.enter_context(serving(socketserver.ThreadingUDPServer(("127.0.0.1", 0), _Names))),
            "{socketio_port}": servers.enter_context(serving(chat_server())),
        }
        text = LOCUSTFILE
        for name, port in ports.items():
            text = text.replace(name, str(port))
        (tmp_path / "own.py").write_text(text, encoding="utf-8")
        scenario = piswarm.scenario(
            target=f"http://127.0.0.1:{ports['{socketio_port}']}",
            locustfile="own.py",
            environment=["SHOP_DATABASE"],
            load=[{"users": 4, "spawn_rate": 20, "hold": "5s"}],
            nodes={"expect": 1, "wait": "25s"},
            thresholds=[],
            validity={
                "loop_lag_p99": "20 s",
                "controller_cpu": "100 %",
                "excluded_share": "100 %",
                "latency_error": "10000 %",
            }
            | {"node_cpu": "100 %", "node_memory": "100 %", "worker_cpu": "100 %", "missing_samples": "100 %"},
        )
        content = json.loads(scenario.read_text(encoding="utf-8"))
        del content["users"]
        scenario.write_text(json.dumps(content), encoding="utf-8")
        fleet = servers.enter_context(StandingFleet(tmp_path, 1))  # its environment is that of before
        monkeypatch.setenv("SHOP_DATABASE", f"{postgres.new_database()}?application_name=sesame")
        finished = piswarm.run(scenario, *fleet.options)
        log = fleet.log("pi1")
    endpoints = {(row["method"], row["name"]): row for row in finished.result["endpoints"]}
    good = {
        ("DNS", "udp"),
        ("WSE", "echo"),
        ("postgres_success", "execute_query"),
        ("WS", "connect"),
        ("WSC", "echo"),
        ("SQL", "look up"),
    }
    assert endpoints.keys() == good | {("SQL", "broken")}, finished.output
    assert {endpoints[each]["failed"] for each in good} == {0}, finished.output
    assert endpoints["SQL", "look up"]["total"] == pytest.approx(endpoints["SQL", "broken"]["failed"], abs=1)
    assert "UndefinedColumn" in json.dumps(finished.result["errors"])
    assert finished.status == 1  # what is broken breaks the default threshold
    files = [file for file in finished.directory.rglob("*") if file.is_file()]
    assert not [file for file in files if b"sesame" in file.read_bytes()]
    assert "sesame" not in finished.output + log
