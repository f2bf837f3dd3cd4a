"""The HTTP user as it was before there was tracing, to show that tracing costs nothing while it is off."""

from __future__ import annotations

from worker.http import user
from worker.http.session import Session


class HttpUser(user.HttpUser):
    """A user whose client is made without a look at whether its requests are traced."""

    abstract = True

    def new_client(self, base_url: str) -> Session:
        return Session(
            base_url,
            settings=self._settings,
            pool=self._pool,
            request_event=self.environment.events.request,
            user=self,
            default_headers=self.default_headers,
            max_redirects=self.max_redirects,
            max_retries=self.max_retries,
        )
