"""One stock Locust master or worker, as a process: a line of Orders on standard input, then Commands; Seen on standard output.

It ends when standard input closes, when its runner ends, and after LIFETIME_S in any case.
"""

from __future__ import annotations

import locust  # noqa: F401  # first: it patches the standard library for gevent

# isort: split
import os
import signal
import sys
import time
from collections.abc import Iterator

import gevent
import msgspec
from gevent import monkey
from gevent.os import make_nonblocking, nb_read
from locust import User, constant, runners, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner
from stock_process import Command, Orders, Seen

LIFETIME_S = 60
LOOK_EVERY_S = 0.05

native_sleep = monkey.get_original("time", "sleep")


class Ticker(User):
    """Makes about ten requests a second, which no target has to answer."""

    wait_time = constant(0.1)
    busy_s = 0.0
    """For so long the next task of any of them computes."""

    @task
    def tick(self) -> None:
        busy_s, Ticker.busy_s = Ticker.busy_s, 0.0
        native_sleep(busy_s)  # lets no other greenlet work
        self.environment.events.request.fire(
            request_type="GET",
            name="/tick",
            response_time=5.0,
            response_length=100,
            response=None,
            context={},
            exception=None,
        )


def lines() -> Iterator[bytes]:
    """Yield standard input line by line, up to its end, without blocking the event loop."""
    make_nonblocking(0)
    rest = b""
    while chunk := nb_read(0, 4096):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def start_runner(orders: Orders) -> MasterRunner | WorkerRunner:
    """Return the runner that the orders ask for, as Locust makes it, and a worker's once it is connected."""
    for name, value in orders.constants.items():
        assert hasattr(runners, name), name
        setattr(runners, name, value)
    environment = Environment(user_classes=[Ticker], stop_timeout=orders.stop_timeout_s)
    if orders.role == "master":
        return environment.create_master_runner("127.0.0.1", orders.port)
    return environment.create_worker_runner("127.0.0.1", orders.port)


def look(runner: MasterRunner | WorkerRunner) -> Seen:
    """Return what can be seen of a runner."""
    now_s = time.monotonic()
    if isinstance(runner, WorkerRunner):
        return Seen(now_s, runner.worker_state, runner.user_count, name=runner.client_id)
    workers = {worker.id: worker.state for worker in runner.clients.all}
    requests = runner.stats.total.num_requests
    return Seen(now_s, runner.state, runner.user_count, requests, workers, port=runner.server.port)


def look_on(runner: MasterRunner | WorkerRunner) -> None:
    """Print what can be seen of a runner, for ever."""
    while True:
        sys.stdout.write(msgspec.json.encode(look(runner)).decode() + "\n")
        sys.stdout.flush()
        gevent.sleep(LOOK_EVERY_S)


def obey(runner: MasterRunner | WorkerRunner, commands: Iterator[bytes]) -> None:
    """Carry out commands until standard input ends, then end this process."""
    for line in commands:
        command = msgspec.json.decode(line, type=Command)
        match command.do:
            case "start":
                gevent.spawn(runner.start, command.users, command.spawn_rate)
            case "stop":
                gevent.spawn(runner.stop)
            case "be busy":
                Ticker.busy_s = command.busy_s
            case _:
                raise ValueError(command)
    os._exit(0)


def main() -> None:
    """Run the master or worker that standard input orders."""
    signal.alarm(LIFETIME_S)
    told = lines()
    first = next(told, None)
    if first is None:
        return
    runner = start_runner(msgspec.json.decode(first, type=Orders))
    gevent.spawn(obey, runner, told)
    looking = gevent.spawn(look_on, runner)
    runner.greenlet.join()
    looking.kill()


if __name__ == "__main__":
    main()
