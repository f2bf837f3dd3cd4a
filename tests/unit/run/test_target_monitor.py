"""What a run learns of its target beside the answers: what its process uses, and what it counts of its caches."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from judged_run import scenario

from master.judge.run_facts import CacheCounts
from master.run.target import cache_counters
from master.run.target.cache_counters import MAX_BYTES, NoCountersError, read_cache_counts
from master.run.target.monitor import TargetMonitor
from master.run.target.process import TargetProcess, find_listener
from master.store import Store

PAGE = b"""# HELP target_cache_hits_total Reads that found an entry.
# TYPE target_cache_hits_total counter
target_cache_hits_total{cache="media"} 90.0
target_cache_hits_total{cache="segments"} 9.0
# TYPE target_cache_misses_total counter
target_cache_misses_total 11.0
"""


@contextmanager
def serving(body: bytes, status: int = 200) -> Iterator[str]:
    """Serve `body` at /metrics; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_counters_of_all_caches_are_added_up() -> None:
    with serving(PAGE) as url:
        assert read_cache_counts(url + "/") == CacheCounts(99, 11)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"up 1\n", 200, id="a page without them"),
        pytest.param(PAGE.replace(b"misses", b"lost"), 200, id="only one of them"),
        pytest.param(PAGE, 404, id="no such page"),
        pytest.param(b"target_cache_hits_total{ NaN\n\xff", 200, id="no such format"),
        pytest.param(PAGE.replace(b"90.0", b"+Inf"), 200, id="no number"),
        pytest.param(b"# " + b"x" * (MAX_BYTES + 1), 200, id="too much"),
    ],
)
def test_a_target_without_counters_is_no_error_of_its_own(body: bytes, status: int) -> None:
    """Whatever a target answers at /metrics, it says that there are no counters, in bounded memory."""
    with serving(body, status) as url, pytest.raises(NoCountersError):
        read_cache_counts(url)


def test_what_is_no_http_has_no_counters() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NoCountersError):
            read_cache_counts(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()


def test_a_target_that_does_not_answer_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_counters, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError, match="timed out"):
        read_cache_counts(f"http://127.0.0.1:{listener.getsockname()[1]}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that listens, and prints its port."""
    code = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
        " held = bytearray(32 << 20); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_the_process_that_listens_at_a_url_of_this_machine_is_found(child: subprocess.Popen[str]) -> None:
    """It is found by a name or an address of loopback; what listens elsewhere is not this machine's."""
    assert child.stdout is not None
    port = int(child.stdout.readline())
    assert find_listener(f"http://127.0.0.1:{port}") == child.pid
    assert find_listener(f"http://localhost:{port}/path") == child.pid
    assert find_listener(f"http://192.0.2.1:{port}") is None
    assert find_listener("http://127.0.0.1:99999") is None
    assert find_listener("sqlite:") is None


def test_what_a_process_uses_is_told_until_it_ends(child: subprocess.Popen[str], store: Store) -> None:
    assert child.stdout is not None
    child.stdout.readline()
    target = TargetMonitor(scenario(), store)
    target.begin("http://192.0.2.1", child.pid)
    target.poll(3, steady=False)
    child.kill()
    child.wait()
    target.poll(4, steady=False)
    target.poll(5, steady=False)
    (row,) = store.target()
    assert (row.second, row.cpu_percent) == (3, pytest.approx(0, abs=400))
    assert row.memory_bytes is not None
    assert row.memory_bytes > 8 << 20


def test_processes_that_a_target_has_started_count_as_it() -> None:
    own = TargetProcess(os.getpid()).sample()
    with subprocess.Popen(
        [sys.executable, "-c", "held = b'x' * (64 << 20); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        together = TargetProcess(os.getpid()).sample()
        process.kill()
    assert own is not None
    assert together is not None
    assert together.memory_bytes > own.memory_bytes + (48 << 20)


class Answers:
    """A target's counters as they are asked for one after the other; an exception stands for an answer that is none."""

    def __init__(self, *answers: CacheCounts | Exception) -> None:
        self.answers = list(answers)

    def __call__(self, _url: str) -> CacheCounts:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def watched(
    store: Store, read: Callable[[str], CacheCounts], *rules: str, url: str = "http://192.0.2.1"
) -> TargetMonitor:
    target = TargetMonitor(scenario(*rules), store, read)
    target.begin(url, None)
    return target


def play(target: TargetMonitor, steady: str) -> None:
    """Let a second pass for each letter: `s` is steady; each answer has come before the next second."""
    for second, letter in enumerate(steady):
        target.poll(second, steady=letter == "s")
        if target._reading is not None:
            target._reading.join()
    target.end()


@pytest.mark.parametrize(
    ("steady", "answers", "expected"),
    [
        pytest.param("-sss", [CacheCounts(5, 2), CacheCounts(95, 12)], CacheCounts(90, 10), id="to the end"),
        pytest.param("-ss-", [CacheCounts(5, 2), CacheCounts(95, 12)], CacheCounts(90, 10), id="a ramp at the end"),
        pytest.param(
            "-s-s-", [CacheCounts(5, 2), CacheCounts(50, 9), CacheCounts(95, 12)], CacheCounts(90, 10), id="two holds"
        ),
        pytest.param("-sss", [OSError(), CacheCounts(5, 2), CacheCounts(6, 2)], CacheCounts(1, 0), id="busy at first"),
        pytest.param("-sss", [NoCountersError()], None, id="no counters: asked once"),
        pytest.param("-sss", [CacheCounts(5, 2), CacheCounts(3, 0)], None, id="counted anew"),
        pytest.param("-sss", [CacheCounts(5, 2), OSError()], None, id="no answer at the end"),
        pytest.param("---", [], None, id="never steady"),
    ],
)
def test_counters_are_those_of_the_steady_part(
    store: Store, steady: str, answers: list[CacheCounts | Exception], expected: CacheCounts | None
) -> None:
    """A target is asked where the first hold begins and where each ends, and no more where it has no counters."""
    read = Answers(*answers)
    target = watched(store, read, "cache_hits > 80 %")
    play(target, steady)
    assert target.cache == expected
    assert read.answers == []


def test_a_foreign_target_is_not_asked_for_what_no_rule_is_on(store: Store) -> None:
    """Nor is one that is no web server."""
    for target in (watched(store, Answers()), watched(store, Answers(), "cache_hits > 1 %", url="sqlite:")):
        play(target, "-ss-")
        assert target.cache is None


def test_another_controller_goes_on_from_where_the_steady_part_began(store: Store) -> None:
    lost = watched(store, Answers(CacheCounts(5, 2)), "cache_hits > 80 %")
    lost.poll(0, steady=True)
    assert lost._reading is not None
    lost._reading.join()
    resumed = watched(store, Answers(CacheCounts(95, 12)), "cache_hits > 80 %")
    play(resumed, "s")
    assert resumed.cache == CacheCounts(90, 10)
