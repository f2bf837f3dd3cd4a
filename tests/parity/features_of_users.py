"""Features that the project `shop` shows of users, their tasks and requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from feature import Feature
from runs import Seen

FIXED = ("Careful", "Once", "Ours", "Raising", "Raw", "Waiting")
SLACK_S = 0.001


def users(*names: str) -> Any:
    """Observe how many users of these classes began."""

    def observe(seen: Seen) -> dict[str, Any]:
        counts = Counter(row["user"] for row in seen.of("worker", "began"))
        return {name: counts[name] for name in names}

    return observe


def files(seen: Seen) -> dict[str, Any]:
    began = {row["user"] for row in seen.of("worker", "began")}
    return {"classes of both files": {"Shopper", "Raw"} <= began, "package beside them": bool(seen.at("/orders"))}


def data_file(seen: Seen) -> dict[str, Any]:
    return {"rows used": sorted({request.json["by"] for request in seen.at("/orders")})}


def excluded(seen: Seen) -> dict[str, Any]:
    return {"/excluded": len(seen.at("/excluded")), "others run": bool(seen.at("/orders"))}


def environment(seen: Seen) -> dict[str, Any]:
    return {"sent": sorted({request.headers.get("x-token", "none") for request in seen.at("/context")})}


def sequence(seen: Seen) -> dict[str, Any]:
    """Observe that each user's steps are 1, 2, 3, 1, …."""
    steps: dict[str, list[int]] = defaultdict(list)
    for request in seen.requests:
        if request.path.startswith("/step/"):
            steps[request.headers["x-user"]].append(int(request.path[-1]))
    in_order = all(each == [1 + index % 3 for index in range(len(each))] for each in steps.values())
    return {"users": len(steps), "in order": in_order, "more than once": max(map(len, steps.values())) > 3}


def nested(seen: Seen) -> dict[str, Any]:
    begun, ended = len(seen.of("worker", "set_on_start")), len(seen.of("worker", "set_on_stop"))
    return {
        "entered again and again": begun > 3,
        "left as often, or ended with the run": begun == ended,
        "parent": sorted({row["parent"] for row in seen.of("worker", "set_on_start")}),
        "tasks of the outer set go on": len(seen.at("/orders")) > 3,
    }


def start_and_stop(seen: Seen) -> dict[str, Any]:
    return {
        "on_start": len(seen.at("/sign-in")),
        "on_stop": len(seen.at("/sign-out")),
        "ends": len(seen.of("worker", "on_stop")),
    }


def stop_user(seen: Seen) -> dict[str, Any]:
    return {"requests of a user that stops at once": len(seen.at("/once"))}


def reschedule(seen: Seen) -> dict[str, Any]:
    return {"raised": len(seen.of("worker", "rescheduled")), "goes on": bool(seen.at("/rescheduled"))}


def catch_response(seen: Seen) -> dict[str, Any]:
    return {"failure()": _judged(seen, "/judged/bad"), "success() of a 404": _judged(seen, "/judged/good")}


def _judged(seen: Seen, name: str) -> str:
    total, failed = seen.totals[name]
    return "all failed" if total == failed else "none failed" if not failed else f"{failed} of {total} failed"


def own_requests(seen: Seen) -> dict[str, Any]:
    by_name = {name: seen.totals[name] for name in ("on global", "on environment", "measured")}
    counts = {total for total, _ in by_name.values()}
    return {
        "counted alike": max(counts) - min(counts) <= 1 and min(counts) > 3,
        "failed": sum(failed for _, failed in by_name.values()),
    }


def waits(seen: Seen) -> dict[str, Any]:
    by_kind: dict[int, list[float]] = defaultdict(list)
    for row in seen.of("worker", "wait"):
        by_kind[row["kind"]].append(row["seconds"])
    return {
        "constant": set(by_kind[0]) == {0.25},
        "between": all(0.1 <= seconds <= 0.3 for seconds in by_kind[1]),
        "constant_pacing": all(0 <= seconds <= 0.5 + SLACK_S for seconds in by_kind[2]),
        "constant_throughput": all(0 <= seconds <= 0.5 + SLACK_S for seconds in by_kind[3]),
        "asked after each task": abs(len(seen.at("/waited")) - sum(map(len, by_kind.values()))) <= 1,
    }


def sent(seen: Seen) -> dict[str, Any]:
    """Observe what Locust's own HTTP user really sends."""
    requests = seen.at("/late")
    names = sorted({name for request in requests for name in request.headers} - {"host", "x-token"})
    return {
        "headers": ", ".join(names),
        "query": sorted({request.query for request in requests}),
        "named": "/late" in seen.totals,
    }


def our_user(seen: Seen) -> dict[str, Any]:
    return {"/ours": _judged(seen, "/ours"), "query": sorted({request.query for request in seen.at("/ours")})}


def totals(seen: Seen) -> dict[str, Any]:
    """Observe names and failures of the final statistics, and that they are what the target got."""
    asked = Counter("/judged/good" if request.path == "/status/404" else request.path for request in seen.requests)
    apart = [
        name for name, count in asked.items() if abs(seen.totals.get(name, (0, 0))[0] - count) > max(3, count / 20)
    ]
    failed = sorted(name for name, (_, failures) in seen.totals.items() if failures)
    return {"endpoints": len(seen.totals), "with failures": failed, "otherwise than the target": apart}


def raising(seen: Seen) -> dict[str, Any]:
    return {
        "goes on": len(seen.at("/before")) > 3,
        "user_error of each": len(seen.of("worker", "user_error")) == len(seen.at("/before")),
    }


USERS = [
    Feature("files", "several locustfiles, and a package beside them", "shop", files),
    Feature("data-file", "a CSV file beside a module of the project", "shop", data_file),
    Feature("weight", "`weight` of classes", "shop", users("Admin", "Shopper")),
    Feature("fixed-count", "`fixed_count` of classes", "shop", users(*FIXED)),
    Feature("exclude-tags", "`--exclude-tags`", "shop", excluded),
    Feature("environment", "an environment variable", "shop", environment),
    Feature("wait-times", "`constant`, `between`, `constant_pacing`, `constant_throughput`", "shop", waits),
    Feature("sequential", "`SequentialTaskSet`", "shop", sequence),
    Feature(
        "nested", "nested task sets, their `on_start` and `on_stop`, `interrupt()` (`InterruptTaskSet`)", "shop", nested
    ),
    Feature("on-start-stop", "`on_start` and `on_stop` of users", "shop", start_and_stop),
    Feature("stop-user", "`StopUser`", "shop", stop_user),
    Feature("reschedule", "`RescheduleTask`", "shop", reschedule),
    Feature("raising", "a task that raises", "shop", raising),
    Feature("catch-response", "`catch_response`", "shop", catch_response),
    Feature(
        "own-requests",
        "requests of other protocols, on `events.request`, `environment.events.request` and its `measure`",
        "shop",
        own_requests,
    ),
    Feature("http-user", "what `HttpUser` sends", "shop", sent),
    Feature("worker-http-user", "`worker.http.HttpUser`, under either", "shop", our_user),
    Feature("totals", "requests and failures by endpoint at the end", "shop", totals),
]
