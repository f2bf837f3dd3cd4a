"""Locust's own examples, unchanged, under Locust and under piswarm, each against a target on loopback."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from recording_target import RecordingTarget, Request, answer_with_json
from runs import LENIENT

OTHER_PROTOCOLS = {
    "azure",
    "custom_xmlrpc_client",
    "grpc",
    "milvus",
    "mongodb",
    "mqtt",
    "postgres",
    "qdrant",
    "socketio",
}
"""Folders of examples that need more than HTTP."""
SKIPPED = {
    "bottlenecked_server.py": "needs Locust's web UI (it says so itself, and ends)",
    "browse_docs_sequence_test.py": "needs PyQuery",
    "browse_docs_test.py": "needs PyQuery",
    "dns_ex.py": "needs DNS servers",
    "openai_ex.py": "needs an outside host",
    "rest.py": "asks an outside host",
    "sdk_session_patching/session_patch_locustfile.py": "needs the library that it tests",
    "terraform/aws/plan/basic.py": "is a plan for a cloud",
    "test_pytest.py": "is a test of pytest, for Locust's plugin; asks an outside host",
    "testdata_management.py": "asks an outside host while it is imported",
    "use_as_lib.py": "is a program that uses Locust as a library, with its web UI",
    "worker_index.py": "needs locust-plugins",
}
"""Why these are not run."""
_NO_REQUEST = "its users make no request: INVALID, where Locust says nothing"
REMARKS = {
    "add_command_line_argument.py": _NO_REQUEST,
    "custom_messages.py": "it has as many names for each worker; users are dealt out by what nodes can carry, and one may find none",
    "custom_shape/wait_user_count.py": "its users take up to 5 s to be made: INVALID, since too few run in so short a time",
    "debugging_advanced.py": "each user stops after its one request: INVALID, for nothing is left to be judged",
    "dispatch_test_scripts/locustfile.py": "its shape ramps up for longer than it runs here: INVALID, for no hold is left to be judged",
    "markov_taskset.py": _NO_REQUEST,
    "open_closed_workload.py": _NO_REQUEST,
}
"""Where the exit status is another one, and why."""
REFUSED = {
    "x-forwarded-for.py": "one of its classes has no task and is not abstract, so its users could do nothing; it runs with the class "
    "that has one named on the command line",
}
"""What is refused before the start, and why."""
USERS, RUN_TIME_S = 8, 8
STOCK_S = 15.0
"""When Locust is told to end: it knows no run time of a shape."""
PATIENCE_S = 120.0
AT_ONCE = 3
_PAGE = b'<form><input name="authenticity_token" value="token"></form> welcome'


@dataclass(frozen=True)
class Example:
    """One example, and how it went."""

    name: str
    result: str
    """runs, refused, fails or skipped"""
    reason: str = ""

    def document(self) -> dict[str, str]:
        """Return it as data for machines."""
        return {"example": self.name, "result": self.result, "reason": self.reason}


@dataclass(frozen=True)
class _Ran:
    requests: int
    status: int
    said: str


def run_examples(folder: Path, tell: Callable[[str], None]) -> list[Example]:
    """Run all of Locust's examples in `folder`; `tell` hears how each went."""
    names = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.py") if _is_locustfile(file))
    names = [name for name in names if name.split("/")[0] not in OTHER_PROTOCOLS]

    def run(name: str) -> Example:
        example = Example(name, "skipped", SKIPPED[name]) if name in SKIPPED else _run(folder, name)
        tell(f"{name}: {example.result} {example.reason}")
        return example

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, names))


def _is_locustfile(file: Path) -> bool:
    imports = (
        node
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import)
    )
    return any("locust" in module for node in imports for module in _modules(node))


def _modules(node: ast.ImportFrom | ast.Import) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        yield node.module or ""
    else:
        yield from (alias.name for alias in node.names)


def _answer(request: Request) -> tuple[int, dict[str, str], bytes]:
    """Answer what the examples ask of their target: a form to sign in by, JSON to what they check."""
    if request.path == "/sign-in":
        return 200, {"Content-Type": "text/html"}, _PAGE
    if request.method == "POST":
        body = {"message": f"Welcome {(request.json or {}).get('username', '')}!", "orderId": 42}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
    return answer_with_json(request)


def _run(folder: Path, name: str) -> Example:
    with tempfile.TemporaryDirectory(prefix="example-") as place:
        stock, ours = _run_stock(folder, name, Path(place)), _run_ours(folder, name, Path(place))
    if isinstance(ours, str):
        return Example(name, "refused", REFUSED[name]) if name in REFUSED else Example(name, "fails", ours)
    if bool(ours.requests) != bool(stock.requests):
        return Example(name, "fails", f"{ours.requests} requests, {stock.requests} under Locust; {ours.said}")
    if ours.status not in ({0, 1} if stock.status < 0 else {int(stock.status != 0)}):  # a shape's run had to be ended
        result = "runs" if name in REMARKS else "fails"
        return Example(name, result, REMARKS.get(name, f"{ours.said} (Locust ends with {stock.status})"))
    return Example(name, "runs")


def _run_stock(folder: Path, name: str, place: Path) -> _Ran:
    with RecordingTarget(_answer) as target:
        command = [sys.executable, "-m", "locust", "-f", name.rpartition("/")[2], "--headless", "--only-summary"]
        command += [
            "-u",
            str(USERS),
            "-r",
            str(USERS),
            "-t",
            f"{RUN_TIME_S}s",
            "-H",
            target.url,
            "--json-file",
            str(place / "out"),
        ]
        status, output = _call(command, _copy(folder, name, place / "stock"), target, STOCK_S)
        written = place / "out.json"
        rows = json.loads(written.read_text(encoding="utf-8")) if written.exists() else []
        return _Ran(sum(row["num_requests"] for row in rows) or len(target.requests), status, output[-300:])


def _run_ours(folder: Path, name: str, place: Path) -> _Ran | str:
    with RecordingTarget(_answer) as target:
        copy = _copy(folder, name, place / "ours")
        file = copy / name.rpartition("/")[2]
        load = [{"users": USERS, "spawn_rate": USERS, "hold": f"{RUN_TIME_S}s"}]
        shaped = "(LoadTestShape)" in file.read_text(encoding="utf-8")
        content = {
            "name": "example",
            "locustfile": str(file),
            "target": target.url,
            "load": {"shape": _shape(file), "run_time": f"{RUN_TIME_S}s"} if shaped else load,
            "nodes": {"expect": 2},
            "sample_period": "1s",
            "validity": LENIENT,
            "environment": ["API_HOST"],
        }
        scenario = place / "scenario.yml"
        scenario.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
        command = [sys.executable, "-m", "master.cli", "run", str(scenario), "--out", str(place / "run")]
        status, output = _call(command, place, target, PATIENCE_S)
        written = place / "run" / "result.json"
        if not written.exists():
            return output.strip().splitlines()[-2] if output.count("\n") > 1 else output
        result = json.loads(written.read_text(encoding="utf-8"))
        return _Ran(result["requests"]["total"], status, f"{result['verdict']}: {result['reason']}")


def _shape(file: Path) -> str:
    classes = (node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))
    return next(node.name for node in classes if any(ast.unparse(base) == "LoadTestShape" for base in node.bases))


def _copy(folder: Path, name: str, place: Path) -> Path:
    """Copy an example and the files beside it; return their folder."""
    source = (folder / name).parent
    place.mkdir()
    shutil.copy(folder / name, place)
    for file in source.iterdir():
        if file.is_file() and file.suffix != ".py":
            shutil.copy(file, place)
    return place


def _call(command: list[str], folder: Path, target: RecordingTarget, patience_s: float) -> tuple[int, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "PISWARM_"))}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=known | {"API_HOST": target.url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = process.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, output.decode(errors="replace")
