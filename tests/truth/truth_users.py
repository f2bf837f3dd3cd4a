"""The locustfile of the cases: visitors of the target, and users whose code keeps the event loop from its work.

Each request says in its mark who asks, its number, and when the one before it had ended by the asker's monotonic clock: so
the target's record tells in which second of which worker a request was counted.
"""

from __future__ import annotations

import itertools
import random
import time

from gevent import monkey
from locust import FastHttpUser, User, between, task
from locust.env import Environment

from worker.http import HttpUser
from worker.pacing import constant_pacing

_block = monkey.get_original("time", "sleep")
_numbers = itertools.count()


class _Marking:
    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._asker = f"{environment.runner.client_id}.{next(_numbers)}"
        self._number = 0
        self._ended_s = 0.0
        self.dice = random.Random(self._asker)

    def ask(self, path: str) -> None:
        """Make one request, named by its path."""
        self._number += 1
        self.client.get(f"{path}?{self._asker},{self._number},{self._ended_s:.6f}", name=path)
        self._ended_s = time.monotonic()

    def ask_either(self) -> None:
        """Make one request, mostly of the mixture."""
        self.ask("/fixed" if self.dice.random() < 0.2 else "/mixed")


class Visitor(_Marking, HttpUser):
    """A user that requests and pauses in turn."""

    wait_time = between(0.01, 0.05)

    @task
    def visit(self) -> None:
        self.ask_either()


class FixedVisitor(_Marking, HttpUser):
    """A user that requests one endpoint alone."""

    wait_time = between(0.01, 0.05)

    @task
    def visit(self) -> None:
        self.ask("/fixed")


class MixedVisitor(_Marking, HttpUser):
    """A user like FixedVisitor, with another endpoint."""

    wait_time = between(0.01, 0.05)

    @task
    def visit(self) -> None:
        self.ask("/mixed")


class SlowerVisitor(_Marking, HttpUser):
    """A user like FixedVisitor, of what takes ten times as long."""

    @task
    def visit(self) -> None:
        self.ask("/slower")


class LocustVisitor(_Marking, FastHttpUser):
    """A user like Visitor, with Locust's own client, which counts an answer from when it came to read it."""

    wait_time = between(0.01, 0.05)

    @task
    def visit(self) -> None:
        self.ask_either()


class Stranger(_Marking, HttpUser):
    """A user that makes a connection for each request."""

    wait_time = between(0.01, 0.05)

    @task
    def visit(self) -> None:
        self.ask("/closing")


class Paced(_Marking, HttpUser):
    """A user that requests on a schedule which no late answer moves."""

    wait_time = constant_pacing(0.1)

    @task
    def visit(self) -> None:
        self.ask("/fixed")


class Tight(Paced):
    """A user on a schedule that leaves little time to make up for anything."""

    wait_time = constant_pacing(0.03)


class _Blocker(User):
    abstract = True
    min_s = max_s = 0.0

    def on_start(self) -> None:
        self.dice = random.Random(f"{self.environment.runner.client_id}.{next(_numbers)}")

    @task
    def block(self) -> None:
        _block(self.dice.uniform(self.min_s, self.max_s))


class LongBlocker(_Blocker):
    """A user that stops the event loop of its process for 150 ms now and then."""

    wait_time = between(2, 4)
    min_s = max_s = 0.15


class ShortBlocker(_Blocker):
    """A user that repeatedly stops the event loop of its process for less than the default limit of 50 ms."""

    wait_time = between(0.3, 0.6)
    min_s, max_s = 0.020, 0.045


class ShorterBlocker(_Blocker):
    """A user that repeatedly stops the event loop of its process for less than anybody would call a stall."""

    wait_time = between(0.5, 1.0)
    min_s, max_s = 0.010, 0.020
