"""A locustfile that is a program too, for a debugger: one user, which stops by itself."""

from __future__ import annotations

import os
import sys

import locust
from locust import constant, run_single_user, task
from locust.exception import StopUser

from worker import http

CLASSES = {"stock": locust.FastHttpUser, "ours": http.HttpUser}


class Visitor(CLASSES.get(sys.argv[-1], locust.FastHttpUser)):  # type: ignore[misc]
    host = os.environ["PARITY_URL"]
    wait_time = constant(0.1)

    @task
    def page(self) -> None:
        self.client.post("/single", json={"a": 1}, name="single page")
        raise StopUser


if __name__ == "__main__":
    run_single_user(Visitor, include_payload=True, include_length=True, include_context=True)
