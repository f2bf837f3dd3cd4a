"""Stock Locust workers in a process of their own, by the StockOrders on standard input."""

from __future__ import annotations

import locust  # noqa: F401  # first: it patches the standard library for gevent

# isort: split
import gevent
import msgspec
from gevent import monkey
from locust import runners
from locust.env import Environment

from worker.parent_watch import read_orders


class StockOrders(msgspec.Struct, frozen=True):
    """How many workers to run, and where their master listens."""

    port: int
    workers: int
    report_interval_s: float


def work(orders: StockOrders) -> None:
    """Run one worker until its master ends it."""
    from visitor import Visitor  # noqa: PLC0415

    environment = Environment(user_classes=[Visitor])
    environment.create_worker_runner("127.0.0.1", orders.port).greenlet.join()


if __name__ == "__main__":
    told = read_orders(StockOrders, monkey.get_original("_thread", "start_new_thread"))
    runners.WORKER_REPORT_INTERVAL = told.report_interval_s
    gevent.joinall([gevent.spawn(work, told) for _ in range(told.workers)], raise_error=True)
