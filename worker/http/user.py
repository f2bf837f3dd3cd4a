"""The HTTP user: Locust's FastHttpUser in what it offers, with a client that costs a Pi less."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from locust import User
from locust.exception import StopTest
from locust.user.users import RestMixin

from worker.due_task import DueTask
from worker.http.protocol.url import Origin
from worker.http.request_options import response_limits
from worker.http.session import Session
from worker.http.traced import TracedSession
from worker.http.transport.connect import ConnectSettings
from worker.http.transport.pool import Pool, shared
from worker.http.transport.tls import shared_context
from worker.pacing import Pacing


class HttpUser(User, RestMixin):  # type: ignore[type-arg]  # of its client, and ours is not one that it knows
    """A user whose `client` makes HTTP requests and keeps cookies and connections between them.

    The attributes are set in a subclass; those that Locust's FastHttpUser has mean the same, but for `insecure`.
    """

    abstract = True

    network_timeout: float = 60.0
    """Seconds of silence after which a request fails."""
    connection_timeout: float = 60.0
    """Seconds for making a connection: finding the address, TCP, a proxy's tunnel and TLS together."""
    response_timeout: float = 300.0
    """Seconds for a request and its whole response, however lively; a streamed body may take any time."""
    max_body_bytes: int = 64 * 1024 * 1024
    """The largest body that is read whole, as received and as decoded."""
    max_redirects: int = 30
    max_retries: int = 0
    """How often a request of an idempotent method is sent again after a network failure."""
    default_headers: Mapping[str, Any] | None = None
    """Headers of every request."""
    concurrency: int = 10
    """How many requests to one origin a user may have under way, if it uses greenlets of its own."""
    client_pool: Any = None
    """A worker.http.Pool that several users share. Locust's HTTPClientPool does, too; its concurrency is taken."""

    insecure: bool = False
    """True: a server's certificate is not verified. Unlike Locust's, this user verifies by default."""
    ca_file: str | None = None
    """A file of CA certificates in PEM to trust in place of the system's."""
    ssl_context_factory: Callable[[], ssl.SSLContext] | None = None
    """Makes the one TLS context of all users of this class, in place of the two above."""
    proxy_host: str | None = None
    """An HTTP proxy for all requests, with proxy_port. The environment's proxies are not used."""
    proxy_port: int | None = None

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        if self.host is None:
            raise StopTest("No host: set it in the user class, in the scenario, or with --target.")
        self.due_task = DueTask()
        """When the task under way was due, for all clients of this user; set by worker.pacing and by the open model."""
        self._settings = self._connection_settings()
        self._pool = Pool(self.concurrency) if self.client_pool is None else shared(self.client_pool)
        self.client = self.new_client(self.host)

    def new_client(self, base_url: str) -> Session:
        """A client for a host of its own, with this user's settings, and cookies of its own; it shares the user's connections.

        Raises ValueError for a `base_url` that is none.
        """
        return self._client_class()(
            base_url,
            settings=self._settings,
            pool=self._pool,
            request_event=self.environment.events.request,
            user=self,
            default_headers=self.default_headers,
            max_redirects=self.max_redirects,
            max_retries=self.max_retries,
            due=self.due_task,
        )

    def _client_class(self) -> Callable[..., Session]:
        """What makes clients: of a run without tracing the plain ones."""
        tracer = getattr(self.environment, "tracer", None)
        return Session if tracer is None else partial(TracedSession, tracer)

    def start(self, group: Any) -> Any:
        """Run in a greenlet of `group`; when it ends, so do the user's connections."""
        pacing = getattr(type(self), "wait_time", None)
        if isinstance(pacing, Pacing):
            # In place of the method: Locust tells nobody when the first task begins.
            self.__dict__["on_start"] = partial(pacing.start_after, self.on_start, self)
        greenlet = super().start(group)
        if self.client_pool is None:
            greenlet.rawlink(self._close_client)
        return greenlet

    def _close_client(self, _greenlet: Any) -> None:
        self.client.close()

    def _connection_settings(self) -> ConnectSettings:
        if (self.proxy_host is None) != (self.proxy_port is None):
            raise StopTest("A proxy needs both proxy_host and proxy_port.")
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise StopTest(f"ca_file {self.ca_file!r} is not a file.")
        return ConnectSettings(
            connect_s=self.connection_timeout,
            limits=response_limits(self.network_timeout, self.response_timeout, self.max_body_bytes),
            tls_context=lambda: shared_context(self._context_factory(), self.ca_file, insecure=self.insecure),
            verify=None if self.ssl_context_factory is not None else not self.insecure and (self.ca_file or True),
            proxy=None if self.proxy_host is None else Origin("http", self.proxy_host, self.proxy_port or 0),
        )

    def _context_factory(self) -> Callable[[], ssl.SSLContext] | None:
        """The class's ssl_context_factory as Locust takes it: a method, or a function without parameters."""
        own = type(self).ssl_context_factory
        if own is None or inspect.signature(own).parameters:
            return self.ssl_context_factory
        return own
