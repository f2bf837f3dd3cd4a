"""The process that runs Locust users: a real environment and local runner, one request a task, no pause.

Each user is counted where it lives: Locust's by Locust's statistics, this project's by a worker's recorder, which reports
as often as a worker does. Prints one JSON line when the measurement begins, and one with the figures when it is over.
"""

from __future__ import annotations

# Locust comes first, as in its own command: importing it patches the standard library for gevent.
import locust  # isort: skip

import argparse
import importlib
import json
import sys
import time
from typing import Any

import gevent
from cases import ANSWER, CASES, QUESTION
from locust.env import Environment

from worker.http import HttpUser
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.load.request_event import RequestEvent
from worker.load.runner import REPORT_INTERVAL_S
from worker.wire.messages import encode
from worker.wire.reports import ErrorCount

BODY = ANSWER.encode()


class WrongAnswerError(Exception):
    """An answer that nginx did not give: the client is at fault."""


def visitor(base: type[locust.User], case: str) -> type[locust.User]:
    """A user class on `base` that does one request of `case` a task, in the plain way."""

    def get(user: Any) -> None:
        response = user.client.get(path)
        if response.status_code != 200 or response.content != BODY:
            raise WrongAnswerError(response.status_code, response.content)

    def post(user: Any) -> None:
        with user.client.post(path, json=QUESTION, catch_response=True) as response:
            if response.status_code != 200 or response.content != BODY:
                response.failure(f"wrong answer: {response.status_code} {response.content!r}")

    known = {each.name: each for each in CASES}
    path = known[case].path
    return type("Visitor", (base,), {"tasks": [post if known[case].method == "POST" else get]})


def say(figures: dict[str, Any]) -> None:
    """One line for the parent."""
    print(json.dumps(figures), flush=True)  # noqa: T201  # the contract with the parent


class LocustCount:
    """Counts as Locust does."""

    def __init__(self, environment: Environment) -> None:
        self.runner = environment.create_local_runner()
        self._stats = environment.stats

    def total(self) -> int:
        """Requests since the users started."""
        return self._stats.total.num_requests

    def faults(self) -> list[str]:
        """What failed, and how often."""
        return [f"{error.occurrences} × {error.error}" for error in self._stats.errors.values()]


class WorkerCount:
    """Counts as a worker of this project does."""

    def __init__(self, environment: Environment) -> None:
        self._recorder = environment.stats = Recorder(LoopLag())
        environment.events.request = RequestEvent(self._recorder)
        self.runner = environment.create_local_runner()
        environment.events.request._handlers.clear()  # the runner's own counting, as in a worker
        self._errors: list[ErrorCount] = []
        gevent.spawn(self._report)

    def total(self) -> int:
        """Requests since the users started."""
        return self._recorder.requests_total

    def faults(self) -> list[str]:
        """What failed, and how often."""
        self._errors += self._recorder.make_report({}, final=True).errors
        return [f"{error.count} × {error.error}" for error in self._errors]

    def _report(self) -> None:
        while True:
            gevent.sleep(REPORT_INTERVAL_S)
            report = self._recorder.make_report({})
            encode(("stats", report, "bench"))
            self._errors += report.errors


def measure(user: type[locust.User], url: str, users: int, warm_up_s: float, window_s: float) -> dict[str, Any]:
    """Run `users` of `user` against `url`; the figures of the window after the warm-up."""
    environment = Environment(user_classes=[user], host=url)
    count = (WorkerCount if issubclass(user, HttpUser) else LocustCount)(environment)
    runner = count.runner
    runner.start(users, spawn_rate=users)
    gevent.sleep(warm_up_s)
    say({"begin": True})
    cpu_s, at_s, requests = time.process_time(), time.monotonic(), count.total()
    gevent.sleep(window_s)
    window = {
        "requests": count.total() - requests,
        "seconds": time.monotonic() - at_s,
        "cpu_s": time.process_time() - cpu_s,
        "users": runner.user_count,
    }
    say(window)
    runner.quit()
    faults = count.faults() + [f"{error['count']} × {error['msg']}" for error in runner.exceptions.values()]
    return {"total": count.total(), "faults": faults}


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("user", metavar="MODULE:CLASS")
    parser.add_argument("case")
    parser.add_argument("url")
    parser.add_argument("users", type=int)
    parser.add_argument("warm_up_s", type=float)
    parser.add_argument("window_s", type=float)
    options = parser.parse_args()
    module, _, name = options.user.partition(":")
    try:
        base = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        sys.exit(f"can't import {options.user}: {error}")
    window = (options.users, options.warm_up_s, options.window_s)
    say(measure(visitor(base, options.case), options.url, *window))


if __name__ == "__main__":
    main()
