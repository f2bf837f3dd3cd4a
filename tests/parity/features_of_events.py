"""Features that the project `shop` shows of events, messages, options and statistics."""

from __future__ import annotations

from typing import Any

from feature import Feature
from runs import Seen

MANY = 3
"""From so many on it is enough to say that an event fires again and again: how often depends on the second in which the run ends."""

OF_SOME_USERS = {"user_error"}
"""Events that fire where a user is that has cause for it, which may be on one worker alone."""


def often(counts: list[int]) -> str:
    """Say how often something was seen by each process of a side."""
    if not counts or not any(counts):
        return "never"
    return "again and again" if min(counts) >= MANY else "/".join(map(str, counts)) + " ×"


def fires(name: str) -> Any:
    """Observe on which side an event fires, how often in each process, and with which arguments."""

    def observe(seen: Seen) -> dict[str, Any]:
        noted = seen.of("master", name) + seen.of("worker", name)
        given = sorted({", ".join(row.get("given", ())) for row in noted})
        counts = {side: seen.each(side, name) for side in ("master", "worker")}
        if name in OF_SOME_USERS:
            counts = {side: [sum(each)] for side, each in counts.items()}
        sides = {side: often(each) for side, each in counts.items()}
        return sides | {"arguments": " | ".join(given)}

    return observe


def runner(seen: Seen) -> dict[str, Any]:
    told = {side: seen.of(side, "runner") for side in ("master", "worker")}
    return {
        "environment.runner": all(row["is_the_environments"] for rows in told.values() for row in rows),
        "MasterRunner": [row["is_master"] for row in told["master"]],
        "WorkerRunner": len(told["worker"]),
        "worker_count": [row["count"] for row in seen.of("master", "workers")],
        "target_user_count": [row["users"] for row in seen.of("master", "workers")],
    }


def imports(seen: Seen) -> dict[str, Any]:
    return {side: "/".join(map(str, seen.each(side, "import"))) + " ×" for side in ("master", "worker")}


def request_event(seen: Seen) -> dict[str, Any]:
    rows = seen.of("worker", "request")
    return {
        "arguments": " | ".join(sorted({", ".join(row["given"]) for row in rows})),
        "context": sorted({str(row["context"]) for row in rows}),
    }


def late_listener(seen: Seen) -> dict[str, Any]:
    return {
        "heard": bool(seen.at("/late")) and abs(len(seen.of("worker", "heard_by_user")) - len(seen.at("/late"))) <= 1
    }


def to_workers(seen: Seen) -> dict[str, Any]:
    taken: dict[int, list[Any]] = {}
    for row in seen.of("worker", "taken"):
        taken.setdefault(row["pid"], []).append(row["names"])
    return {"taken": sorted(str(names) for names in taken.values())}


def to_master(seen: Seen) -> dict[str, Any]:
    rows = seen.of("master", "thanked")
    return {
        "names thanked for": sorted(row["names"] for row in rows),
        "by workers": sorted({row["index"] for row in rows}),
        "of clients": all(row["known"] for row in rows),
    }


def report_data(seen: Seen) -> dict[str, Any]:
    rows = seen.of("master", "attached")
    return {"attached to": often([len(rows)]), "of that worker": bool(rows) and all(row["same"] for row in rows)}


def worker_index(seen: Seen) -> dict[str, Any]:
    return {"indexes": sorted(row["index"] for row in seen.of("worker", "worker_index"))}


def parsed_options(seen: Seen) -> dict[str, Any]:
    told = {
        side: {(row["users"], row["spawn_rate"], row["host"]) for row in seen.of(side, "options")}
        for side in ("master", "worker")
    }
    return {f"users, spawn rate and host on the {side}": sorted(each, key=str) for side, each in told.items()}


def own_options(seen: Seen) -> dict[str, Any]:
    told = {
        side: sorted({(row["tenant"], row["depth"]) for row in seen.of(side, "own_options")})
        for side in ("master", "worker")
    }
    return told | {"in requests": sorted({request.headers.get("x-tenant", "none") for request in seen.at("/orders")})}


def statistics(seen: Seen) -> dict[str, Any]:
    (row,) = seen.of("master", "stats")
    requests, failures = (sum(each[index] for each in seen.totals.values()) for index in (0, 1))
    return {
        "of the whole run": abs(row["total"] - requests) <= requests / 50
        and abs(row["failures"] - failures) <= failures / 20,
        "entries": row["orders"] > 0 and row["failed"] > 0,
        "percentiles": row["percentile"],
        "errors": row["errors"],
        "exceptions": row["exceptions"],
    }


def exit_code(seen: Seen) -> dict[str, Any]:
    return {
        "given to quit": [row["code"] for row in seen.of("master", "exit_code")],
        "status": seen.status,
        "named": "process_exit_code to 7" in seen.output,
    }


def spawned(seen: Seen) -> dict[str, Any]:
    return {side: [row["users"] for row in seen.of(side, "spawned")] for side in ("master", "worker")}


def kept_words(seen: Seen) -> dict[str, Any]:
    kept = seen.output + "".join(text for name, text in seen.files.items() if name.endswith(".log"))
    return {word: min(kept.count(f"a word that is {word}"), 3) for word in ("printed", "logged")}


EVENTS = [
    *(
        Feature(f"event-{name}", f"event `{name}`", "shop", fires(name))
        for name in (
            *("init", "test_start", "test_stopping", "test_stop", "spawning_complete", "quitting", "quit"),
            *("worker_connect", "worker_report", "report_to_master", "heartbeat_sent", "heartbeat_received"),
            *("usage_monitor", "cpu_warning", "user_error", "init_command_line_parser"),
        )
    ),
    Feature("event-request", "event `request`, with a user's and a request's `context`", "shop", request_event),
    Feature("late-listener", "a listener on `events.request` added while users run", "shop", late_listener),
    Feature("spawning-complete-users", "`user_count` of `spawning_complete`", "shop", spawned),
    Feature("runner", "`environment.runner`, its class and counts", "shop", runner),
    Feature("imports", "the locustfile is imported once by each process", "shop", imports),
    Feature("message-to-workers", "`send_message` of the master, to all and to one", "shop", to_workers),
    Feature("message-to-master", "`send_message` of workers", "shop", to_master),
    Feature("report-data", "data that `report_to_master` adds, in `worker_report`", "shop", report_data),
    Feature("worker-index", "`runner.worker_index`", "shop", worker_index),
    Feature(
        "parsed-options",
        "`environment.parsed_options`",
        "shop",
        parsed_options,
        ours={f"users, spawn rate and host on the {side}": [(10, 20.0, True)] for side in ("master", "worker")},
        reason="workers know the number of users and the spawn rate, too",
    ),
    Feature("arguments", "own options (`init_command_line_parser`) with a value", "shop", own_options),
    Feature("stats", "`environment.stats` and `runner.exceptions` on the master", "shop", statistics),
    Feature(
        "process-exit-code",
        "`environment.process_exit_code`",
        "shop",
        exit_code,
        ours={"given to quit": [7], "status": 1, "named": True},
        reason="the exit status says the verdict, here FAIL (1); the code is named in it, and given to listeners of `quit`",
    ),
    Feature("print-logging", "`print` and `logging` of a locustfile are kept", "shop", kept_words),
]
