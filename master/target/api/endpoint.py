"""An endpoint of the API, declared once: routing, authorization, validation and the description all follow from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request

from master.target.api.caller import Caller, Role

MAX_JSON_BYTES = 64 * 1024
"""Several times the longest that any endpoint takes: whoever is not signed in can have as much kept for each connection."""
ANYBODY: tuple[Role, ...] = ()
"""As `Endpoint.roles`: whoever is signed in."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A body of bytes as they are, at most `max_bytes` of them."""

    max_bytes: int


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body that the handler reads as it comes, at most `max_bytes` of it.

    `schema` describes it to OpenAPI.
    """

    max_bytes: int
    media_type: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string", "format": "binary"})


class Call:
    """One request to an endpoint: authorized, its body, query and headers validated.

    `caller` is None for public endpoints alone; `path` has the variable parts of the path; `body` is a Struct of the
    endpoint's type, bytes, or a BodyStream where it is streamed; `query` and `headers` are Structs.
    """

    __slots__ = ("body", "headers", "path", "query", "request", "signed_in")

    def __init__(
        self,
        request: Request,
        path: dict[str, str],
        signed_in: Caller | None,
        body: Any,
        query: Any,
        *,
        headers: Any = None,
    ) -> None:
        self.request = request
        self.path = path
        self.signed_in = signed_in
        self.body = body
        self.query = query
        self.headers = headers

    @property
    def caller(self) -> Caller:
        """Who is signed in; of endpoints that are not public."""
        assert self.signed_in is not None
        return self.signed_in


class Answer(NamedTuple):
    """An answer with another status than the endpoint's own."""

    status: int
    content: Any


Handler = Callable[[Call], Awaitable[Any]]
"""Returns a Struct (JSON with the endpoint's status), an Answer, or a Starlette Response. Raises ApiError."""


@dataclass(frozen=True)
class Endpoint:
    """One method of one path, e.g. `Endpoint("POST", "/sessions/{id}/close", self.close, "Close a session", …)`."""

    method: str
    path: str
    """Variable parts stand in braces and match one segment each."""
    handler: Handler
    summary: str
    roles: tuple[Role, ...] | None = ANYBODY
    """Who may call it; None: anybody, without a token."""
    body: type[msgspec.Struct] | Binary | Streamed | None = None
    query: type[msgspec.Struct] | None = None
    headers: type[msgspec.Struct] | None = None
    """The headers that it takes, their names in lower case."""
    reply: type[msgspec.Struct] | str = ""
    """What is answered: JSON of this type, or a media type; nothing where it is empty."""
    status: int = 200
    """The status of success."""
    other_statuses: tuple[int, ...] = ()
    """Further statuses of success, such as 200 beside 201."""
    errors: tuple[int, ...] = field(default=())
    """Statuses of errors beyond those that follow from roles, body, query and path."""
    audited: bool = False
    """Whether each call that succeeds, or is forbidden, goes into the audit log."""
    answer_headers: tuple[tuple[bytes, bytes], ...] = ()
    """Headers of each of its answers, also of errors."""
    limited: bool = False
    """Whether calls count against the caller's rate limit."""
    cacheable: bool = False
    """Whether the handler says by itself how its answers may be cached; all others must not be stored."""

    @cached_property
    def label(self) -> str:
        """The path as metrics and reports show it: `/sessions/[id]`."""
        return self.path.replace("{", "[").replace("}", "]")

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the variable parts."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """The decoder of a JSON body."""
        assert self.body is not None
        assert not isinstance(self.body, Binary | Streamed)
        return msgspec.json.Decoder(self.body).decode

    @cached_property
    def header_names(self) -> dict[bytes, str]:
        """The headers that it takes, as they stand in requests and in `headers`."""
        assert self.headers is not None
        return {each.encode_name.encode(): each.encode_name for each in msgspec.structs.fields(self.headers)}

    @cached_property
    def error_statuses(self) -> tuple[int, ...]:
        """All statuses of errors that it may answer with, in order."""
        found = set(self.errors)
        if self.roles is not None or self.body is not None:
            found.add(503)  # the database
        if self.roles is not None:
            found.add(401)
            if self.roles:
                found.add(403)
        if self.body is not None:
            found |= {413, 422} if isinstance(self.body, Binary) else {400, 413, 415, 422}
        if self.headers is not None:
            found.add(400)
        if self.limited:
            found.add(429)
        if self.query is not None:
            found.add(422)
        if self.parameters:
            found.add(404)
        return tuple(sorted(found))
