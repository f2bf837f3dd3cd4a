"""A project of several files, whose users do and see what Locust's users do and see."""

from __future__ import annotations

import listeners
from locust import FastHttpUser, constant, task
from notes import Noted
from pages.orders import Browsing

assert listeners


class Shopper(Noted, FastHttpUser):
    weight = 3
    wait_time = constant(0.1)
    tasks = [Browsing]  # noqa: RUF012


class Admin(Noted, FastHttpUser):
    weight = 1
    wait_time = constant(0.5)

    @task
    def report(self) -> None:
        self.client.get("/admin")
