"""The HTTP user as it was before there was tracing, to show that tracing costs nothing while it is off."""

from __future__ import annotations

from collections.abc import Callable

from worker.http import user
from worker.http.session import Session


class HttpUser(user.HttpUser):
    """A user whose client is made without a look at whether its requests are traced."""

    abstract = True

    def _client_class(self) -> Callable[..., Session]:
        return Session
