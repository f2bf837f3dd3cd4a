"""Hooks of a real run: who receives is told of start, lost nodes and verdict, however slow or dead the other receivers are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
from free_ports import free_ports
from processes import Piswarm, Started

TOKEN = "s3cret-of-the-chat"


@dataclass
class Receiver:
    """A real HTTP server that takes calls; the first ones it answers as `statuses` say, all others with 204."""

    statuses: list[int] = field(default_factory=list)
    stalls: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.stalls:
                released.wait()
            status = receiver.statuses.pop(0) if receiver.statuses else 204
            if status == 204:
                receiver.calls.append(json.loads(body))
                receiver.headers.append(dict(self.headers))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/calls"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def kill_node(started: Started) -> None:
    """Kill the agent and the worker of one node."""
    agent = next(child for child in started.family()[0].children() if "worker.simulation.node" in child.cmdline())
    for process in [agent, *agent.children()]:
        process.kill()


def test_who_receives_is_told_however_others_are(piswarm: Piswarm, tmp_path: Path, monkeypatch: Any) -> None:
    """A receiver that errs at first gets all calls once, a command too; one that hangs and one that is dead cost the run nothing."""
    monkeypatch.setenv("CHAT_TOKEN", TOKEN)
    told = tmp_path / "told.jsonl"
    with receiving(Receiver(statuses=[503, 429])) as good, receiving(Receiver(stalls=True)) as slow:
        hooks = [
            {"events": ["start", "lost", "verdict"], "url": good.url, "headers": {"Authorization": "Bearer ${CHAT_TOKEN}"}},
            {"events": ["start", "verdict"], "url": slow.url},
            {"events": "start", "url": f"http://127.0.0.1:{free_ports()}/"},
            {"events": ["verdict", "abort"], "command": ["sh", "-c", f"cat >> {told}; echo >> {told}"]},
            {"events": "verdict", "command": "no-such-command-here"},
        ]  # fmt: skip
        scenario = piswarm.scenario(
            load=[{"users": 6, "spawn_rate": 20, "hold": "8s"}], nodes={"expect": 2, "min": 1}, hooks=hooks
        )
        started = piswarm.start(scenario, "--separate")
        started.wait_for("stage 1 of 1, hold")
        kill_node(started)
        finished = started.finish()
        assert finished.status in (0, 3), finished.output
        result = finished.result
        assert [call["event"] for call in good.calls] == ["start", "lost", "verdict"]
        start, lost, verdict = good.calls
    assert start["text"].startswith("visitors") or start["scenario"] in start["text"]
    assert (start["schema"], start["run"], start["nodes"]) == ("piswarm/hook/1", finished.directory.name, [])
    assert (len(lost["nodes"]), lost["nodes_total"]) == (1, 1)
    assert (verdict["verdict"], verdict["reason"]) == (result["verdict"], result["reason"])
    assert good.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    (by_command,) = [json.loads(line) for line in told.read_text().splitlines() if line]
    assert by_command == verdict
    assert "hooks: " in finished.output
    # The command that is none and the dead receiver are told of in the log, the secret nowhere.
    kept = b"".join(path.read_bytes() for path in finished.directory.rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept
    assert TOKEN not in finished.output


def test_a_variable_that_is_not_set_is_told_before_anything_starts(piswarm: Piswarm) -> None:
    """A hook whose token is not there is the operator's to mend: status 2, and no run directory."""
    finished = piswarm.run(piswarm.scenario(hooks=[{"events": "start", "url": "http://a/${NO_SUCH_TOKEN}"}]))
    assert finished.status == 2
    assert "NO_SUCH_TOKEN is not set in the environment" in finished.output
    assert not finished.directory.exists()


def test_the_sender_ends_by_itself(piswarm: Piswarm) -> None:
    """A controller that is killed leaves no sender behind."""
    with receiving(Receiver()) as receiver:
        started = piswarm.start(piswarm.scenario(hooks=[{"events": "start", "url": receiver.url}]))
        started.wait_for("stage 1 of 1")
        (sender,) = [child for child in started.family() if "master.hooks.sender" in child.cmdline()]
        others = [child for child in started.family() if child != sender]
        psutil.Process(started.process.pid).kill()
        assert psutil.wait_procs([sender], timeout=20)[1] == []
    for process in others:
        if process.is_running():
            process.kill()
