"""Features that other projects than `shop` show: shapes, hosts, tags, ends of runs, other protocols, one user alone."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from feature import Feature
from features_of_events import often
from runs import Seen


def tags(seen: Seen) -> dict[str, Any]:
    return {"paths": sorted({request.path for request in seen.requests})}


def chosen_classes(seen: Seen) -> dict[str, Any]:
    return {"users": dict(Counter(row["user"] for row in seen.of("worker", "began")))}


def csv_files(seen: Seen) -> dict[str, Any]:
    wanted = ("stats", "stats_history", "failures", "exceptions")
    return {name: seen.files.get(f"out_{name}.csv", "none").partition("\n")[0].strip() for name in wanted}


def no_failure(seen: Seen) -> dict[str, Any]:
    return {"failures": sum(failed for _, failed in seen.totals.values()), "status": seen.status}


def shape(seen: Seen) -> dict[str, Any]:
    return {
        "(step, users before it)": [(row["step"], row["users"]) for row in seen.of("master", "step")],
        "status": seen.status,
    }


def shape_classes(seen: Seen) -> dict[str, Any]:
    return {"users": dict(sorted(Counter(row["user"] for row in seen.of("worker", "began")).items()))}


def shape_class(seen: Seen) -> dict[str, Any]:
    return {"environment.shape_class": [(row["name"], row["is_shape"]) for row in seen.of("master", "shape_class")]}


def hosts(seen: Seen) -> dict[str, Any]:
    first, second = seen.ports
    by_port = {
        port: sorted({request.path for request in seen.requests if request.port == port}) for port in (first, second)
    }
    return {"first host": by_port[first], "second host": by_port[second]}


def quits(seen: Seen) -> dict[str, Any]:
    events = ("test_stopping", "test_stop", "quitting", "quit")
    return {
        "called when": [row["state"] for row in seen.of("master", "quits")],
        "then": {side: {name: often(seen.each(side, name)) for name in events} for side in ("master", "worker")},
        "exit code given": [row["code"] for row in seen.of("master", "exit_code")],
        "status": seen.status,
        "before its time": 300 <= len(seen.at("/page")) < 1000,
    }


def failing_init(seen: Seen) -> dict[str, Any]:
    return {"requests": len(seen.requests), "named": "no accounts for the test" in seen.output, "status": seen.status}


def socketio(seen: Seen) -> dict[str, Any]:
    failed = sum(failures for _, failures in seen.totals.values())
    return {
        "requests": ", ".join(sorted(seen.totals)),
        "failed": failed,
        "answers": sorted({str(row["data"]) for row in seen.of("worker", "answer")}),
    }


def single(seen: Seen) -> dict[str, Any]:
    """Observe the requests, and the line of each that is printed."""
    line = next((line for line in seen.output.splitlines() if "single page" in line), "none")
    fields = " ".join(re.sub(r"[\d.]+", "N", line).split())
    requests = [(request.method, request.path, request.json) for request in seen.requests]
    return {"requests": requests, "printed": fields, "status": seen.status}


RUNS = [
    Feature("tags", "`--tags` with `--exclude-tags`, in nested sets too", "tagged", tags),
    Feature("classes", "user classes chosen by name on the command line", "tagged", chosen_classes),
    Feature("csv", "headings of the files of `--csv`", "tagged", csv_files),
    Feature("exit-status", "exit status of a run without failures", "socketio", no_failure),
    Feature(
        "shape",
        "`LoadTestShape` with a state of its own, `get_run_time()`, `get_current_user_count()`",
        "shaped",
        shape,
    ),
    Feature(
        "shape-classes",
        "a shape that names user classes",
        "shaped",
        shape_classes,
        ours={"users": {"First": 3, "Second": 3}},
        reason="weights are of all users, where Locust's are of those that it adds",
    ),
    Feature("shape-class", "`environment.shape_class`", "shaped", shape_class),
    Feature("hosts", "`host` of classes, two of them", "shaped", hosts),
    Feature("quit", "`runner.quit()` on the master", "quitting", quits),
    Feature(
        "failing-init",
        "a listener of `init` that raises",
        "failing_init",
        failing_init,
        ours={"requests": 0, "named": True, "status": 4},
        reason="the exit status says ABORTED (4), with the exception and its place: nothing was measured",
    ),
    Feature("socketio", "the WebSocket user of `locust.contrib.socketio`", "socketio", socketio),
    Feature(
        "single-user",
        "`run_single_user` with its payload",
        "single",
        single,
        ours={
            "requests": [("POST", "/single", {"a": 1})],
            "printed": 'POST single page N N {"a":N}',
            "status": 0,
        },
        reason="worker.http.HttpUser, shown here beside Locust's FastHttpUser, sends JSON without spaces",
    ),
]
