"""Task sets of the users, one in another."""

from __future__ import annotations

import csv
from pathlib import Path

from locust import SequentialTaskSet, TaskSet, tag, task
from locust.exception import RescheduleTask
from notes import note

from . import paths

with Path(__file__).with_name("accounts.csv").open(encoding="utf-8", newline="") as file:
    ACCOUNTS = list(csv.DictReader(file))


class Checkout(SequentialTaskSet):
    """One step after the other, and back to the set that it is part of."""

    def on_start(self) -> None:
        note("set_on_start", parent=type(self.parent).__name__)
        self.step = {"X-User": str(id(self.user))}

    @task
    def first(self) -> None:
        self.client.get("/step/1", headers=self.step)

    @task
    def second(self) -> None:
        self.client.get("/step/2", headers=self.step)

    @task
    def third(self) -> None:
        self.client.get("/step/3", headers=self.step)
        self.interrupt()

    def on_stop(self) -> None:
        note("set_on_stop")


class Browsing(TaskSet):
    """Tasks of an ordinary user."""

    @task
    def order(self) -> None:
        account = ACCOUNTS[self.user.environment.runner.worker_index % len(ACCOUNTS)]
        self.client.post(
            paths.ORDERS,
            json={"by": account["name"]},
            headers={"X-Tenant": self.user.environment.parsed_options.tenant},
        )

    @task
    def judged(self) -> None:
        with self.client.get("/judged/bad", catch_response=True) as response:
            response.failure("not as it should be")
        with self.client.get("/status/404", name="/judged/good", catch_response=True) as response:
            response.success()

    @task
    def failing(self) -> None:
        self.client.get("/status/503")

    @task
    def later(self) -> None:
        if not hasattr(self.user, "was_rescheduled"):
            self.user.was_rescheduled = True
            note("rescheduled")
            raise RescheduleTask
        self.client.get("/rescheduled")

    @tag("excluded")
    @task
    def excluded(self) -> None:
        self.client.get("/excluded")

    checkout = Checkout
    tasks = {Checkout: 1}  # noqa: RUF012
