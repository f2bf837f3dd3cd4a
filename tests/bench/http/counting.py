"""The process that measures what counting one request costs, with no listener but the one that counts: prints one JSON line."""

from __future__ import annotations

# Locust comes first, as in its own command: importing it patches the standard library for gevent.
import locust  # isort: skip  # noqa: F401

import json
import statistics
import timeit
from collections.abc import Callable
from typing import Any

from locust.env import Environment

from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent

ROUNDS, REQUESTS = 7, 20_000
FIRED: dict[str, Any] = {
    "request_type": "GET",
    "name": "/item",
    "response_time": 1.234,
    "response_length": 200,
    "response": None,
    "context": {},
    "exception": None,
    "start_time": 1.0,
    "url": "http://127.0.0.1/item",
}


def through_locust() -> Callable[[], object]:
    """As Locust's users do it: the event, its listener, the statistics."""
    environment = Environment()
    environment.create_local_runner()
    event = environment.events.request
    return lambda: event.fire(**FIRED)


def by_the_recorder() -> Callable[[], object]:
    """As this project's user does it."""
    record = RequestEvent(Recorder(LoopLag())).record
    return lambda: record("GET", "/item", 1.234, 200)


def main() -> None:
    """Both in turn; the medians in microseconds."""
    ways = {"piswarm": by_the_recorder(), "locust": through_locust()}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, count in ways.items():
            found[name].append(timeit.timeit(count, number=REQUESTS) / REQUESTS * 1e6)
    print(json.dumps({name: statistics.median(each) for name, each in found.items()}), flush=True)  # noqa: T201  # for the parent


if __name__ == "__main__":
    main()
