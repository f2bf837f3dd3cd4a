"""A second locustfile: users of other kinds."""

from __future__ import annotations

import os
from typing import Any

import gevent
import locust
from locust import FastHttpUser, User, between, constant, constant_pacing, constant_throughput, events, task
from locust.exception import StopUser
from notes import Noted, note

from worker import http


class Raw(Noted, User):
    """Requests of a protocol of its own, on either event."""

    fixed_count = 1
    wait_time = constant(0.5)

    @task
    def both(self) -> None:
        for name, hook in (("on global", events.request), ("on environment", self.environment.events.request)):
            hook.fire(request_type="RAW", name=name, response_time=3.0, response_length=1, exception=None, context={})
        with self.environment.events.request.measure("RAW", "measured"):
            gevent.sleep(0.01)


class Once(Noted, FastHttpUser):
    """It stops by itself."""

    fixed_count = 1

    @task
    def once(self) -> None:
        self.client.get("/once")
        raise StopUser


class Raising(Noted, FastHttpUser):
    """Its task raises, and it goes on; its own listener hears it."""

    fixed_count = 1
    wait_time = constant(1)

    @task
    def broken(self) -> None:
        self.client.get("/before")
        raise LookupError("on purpose")


class Waiting(Noted, FastHttpUser):
    """Each kind of wait in turn."""

    fixed_count = 1
    waits = (constant(0.25), between(0.1, 0.3), constant_pacing(0.5), constant_throughput(2))

    turn = 0

    def wait_time(self) -> float:
        kind = self.turn % len(self.waits)
        self.turn += 1
        seconds = float(type(self).waits[kind](self))
        note("wait", kind=kind, seconds=seconds)
        return seconds

    @task
    def wait_for(self) -> None:
        self.client.get("/waited")


@events.request.add_listener
def heard(name: str, context: dict[str, Any], **given: Any) -> None:
    if name == "/context":
        note("request", given=sorted(["name", "context", *given]), context=context)


class Ours(Noted, http.HttpUser):
    """The faster HTTP user, which runs under Locust as well."""

    fixed_count = 1
    wait_time = constant(0.5)

    @task
    def page(self) -> None:
        with self.client.get("/ours?q=1", name="/ours", catch_response=True) as response:
            if response.json()["args"] != {"q": "1"}:
                response.failure("not what was asked for")


class Careful(Noted, locust.HttpUser):
    """Locust's own HTTP user, with context, headers and cookies."""

    fixed_count = 1
    wait_time = constant(0.5)

    def context(self) -> dict[str, str]:
        return {"by": "Careful"}

    def on_start(self) -> None:
        super().on_start()
        self.client.headers["X-Token"] = os.environ["PARITY_TOKEN"]
        self.client.get("/sign-in")
        events.request.add_listener(lambda name, **_: name == "/late" and note("heard_by_user"))

    @task
    def page(self) -> None:
        self.client.get("/context", context={"step": 1})
        self.client.get("/late", params={"q": "a b"}, name="/late")

    def on_stop(self) -> None:
        note("on_stop")
        self.client.get("/sign-out")
