"""The users of the faults: each makes about ten requests a second, which no target has to answer."""

from __future__ import annotations

from locust import User, constant, task


class Visitor(User):
    """A user that makes about ten requests a second."""

    wait_time = constant(0.1)

    @task
    def visit(self) -> None:
        self.environment.events.request.fire(
            request_type="GET",
            name="/visit",
            response_time=5.0,
            response_length=100,
            response=None,
            context={},
            exception=None,
        )
