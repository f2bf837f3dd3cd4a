"""Users for a worker in the open model. Each request is no more than an event: what counts is when it is made, and how often."""

from __future__ import annotations

import gevent
from locust import User, constant, task


class Noting(User):
    """A user whose requests are noted at once."""

    abstract = True
    wait_time = constant(3600.0)

    def note(self, name: str, response_time: float = 1.0) -> None:
        """Count a request."""
        self.environment.events.request.fire(
            request_type="NOTE", name=name, response_time=response_time, response_length=0, exception=None, context={}
        )


class Quick(Noting):
    """A user whose task takes no time."""

    def on_start(self) -> None:
        self.note("on_start")

    def on_stop(self) -> None:
        self.note("on_stop")

    @task
    def act(self) -> None:
        self.note("quick")
        self.note("quick, second request")


class Slow(Noting):
    """A user whose task takes a second."""

    @task
    def act(self) -> None:
        gevent.sleep(1.0)
        self.note("slow")


class Brief(Noting):
    """A user whose task takes 5 ms, less than an arrival may wait."""

    @task
    def act(self) -> None:
        gevent.sleep(0.005)
        self.note("brief")


class Leaving(Noting):
    """A user that ends with its first task."""

    @task
    def act(self) -> None:
        self.note("leaving")
        self.environment.runner.greenlet.spawn(self.stop, force=True)
        gevent.sleep(30.0)
