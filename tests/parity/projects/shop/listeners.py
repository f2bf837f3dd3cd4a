"""Listeners of each of Locust's events, messages between master and workers, and an own rule on the run's statistics."""

from __future__ import annotations

import logging
from typing import Any

import locust
from locust import events
from locust.runners import MasterRunner, WorkerRunner
from notes import note, note_side

locust.runners.CPU_MONITOR_INTERVAL = 1  # s, where Locust has 10
locust.runners.CPU_WARNING_THRESHOLD = -1  # %, so that each worker is warned of
OF_RUN = ("test_start", "test_stopping", "test_stop", "spawning_complete", "quitting", "quit", "worker_connect")
FREQUENT = ("heartbeat_sent", "heartbeat_received", "usage_monitor", "report_to_master", "worker_report")
OF_USERS = ("user_error", "cpu_warning")

note("import")


@events.init_command_line_parser.add_listener
def add_options(parser: Any, **_: Any) -> None:
    note("init_command_line_parser")
    parser.add_argument("--tenant", default="acme")
    parser.add_argument("--depth", type=int, default=3)


for name in (*OF_RUN, *FREQUENT, *OF_USERS):
    getattr(events, name).add_listener(lambda name=name, **given: note(name, given=sorted(given)))


@events.init.add_listener
def init(environment: Any, runner: Any, **given: Any) -> None:
    is_worker = isinstance(runner, WorkerRunner)
    note_side(runner)
    note("init", given=sorted(["environment", "runner", *given]))
    note("runner", is_the_environments=environment.runner is runner, is_master=isinstance(runner, MasterRunner))
    if is_worker:
        note("worker_index", index=runner.worker_index)
        runner.register_message("names", lambda environment, msg, **_: take(environment, msg))
    else:
        runner.register_message("thanks", lambda environment, msg, **_: thanked(environment, msg))


def take(environment: Any, msg: Any) -> None:
    note("taken", names=msg.data)
    environment.runner.send_message("thanks", {"index": environment.runner.worker_index, "names": len(msg.data)})


def thanked(environment: Any, msg: Any) -> None:
    note("thanked", **msg.data, known=msg.node_id in environment.runner.clients)


@events.test_start.add_listener
def hand_out(environment: Any, **_: Any) -> None:
    logging.getLogger(__name__).info("a word that is logged")
    print("a word that is printed", flush=True)  # noqa: T201
    options = environment.parsed_options
    note("own_options", tenant=options.tenant, depth=options.depth)
    note("options", users=options.num_users, spawn_rate=options.spawn_rate, host=options.host == environment.host)
    if not isinstance(environment.runner, WorkerRunner):
        clients = list(environment.runner.clients)
        note("workers", count=environment.runner.worker_count, users=environment.runner.target_user_count)
        environment.runner.send_message("names", ["ann", "bob"])
        environment.runner.send_message("names", ["cleo"], clients[0])


@events.report_to_master.add_listener
def attach(client_id: str, data: dict[str, Any]) -> None:
    data["attached"] = client_id


@events.worker_report.add_listener
def attached(client_id: str, data: dict[str, Any]) -> None:
    note("attached", same=data["attached"] == client_id)


@events.spawning_complete.add_listener
def spawned(user_count: int, **_: Any) -> None:
    note("spawned", users=user_count)


@events.quitting.add_listener
def judge(environment: Any, **_: Any) -> None:
    runner, stats = environment.runner, environment.stats
    if isinstance(runner, WorkerRunner):
        return
    note(
        "stats",
        orders=stats.get("/orders", "POST").num_requests,
        failed=stats.get("/status/503", "GET").num_failures,
        total=stats.total.num_requests,
        failures=stats.total.num_failures,
        errors=sorted({error.name for error in stats.errors.values()}),
        percentile=stats.total.get_response_time_percentile(0.5) is not None,
        exceptions=sorted({row["msg"] for row in runner.exceptions.values()}),
    )
    environment.process_exit_code = 7


@events.quit.add_listener
def ended(exit_code: int, **_: Any) -> None:
    note("exit_code", code=exit_code)
