"""The locustfile of real pairs of runs: users that ask for one page after another."""

from __future__ import annotations

from locust import between, task

from worker.http import HttpUser


class Shopper(HttpUser):
    """Asks for what the timed target has, some of it more often than other."""

    wait_time = between(0.1, 0.3)

    @task(8)
    def catalogue(self) -> None:
        self.client.get("/catalogue")

    @task(4)
    def item(self) -> None:
        self.client.get("/item")

    @task(2)
    def search(self) -> None:
        self.client.get("/search")

    @task(1)
    def basket(self) -> None:
        self.client.get("/basket")
