"""One user's HTTP client: makes requests, follows redirects, keeps cookies, and records each request once.

Latency is what is recorded of a request. It is `latency_s` in seconds and `latency_ms` in milliseconds, on all of its way to
worker.load.recorder; Locust's listeners find it as `response_time` of the request event, and a task as `elapsed` of a response.

- Its clock is the monotonic one. It starts when the request is handed to its connection, or when one begins to be made for
  it. The first request of a task that began late counts what was before that as well, and then `late_s` says how much of the
  latency is no service time: in the closed model the time since the task was due (see `Session.intended_s`), in the open one
  the time for which the task's arrival has waited for a free user.
- It ends when the last byte of the response, or of a streamed one's head, had reached this machine, by the kernel's timestamp
  if there is one (worker.http.transport.kernel_timestamps); a failure ends when it is noticed.
- In it are redirects, retries and new connections (`connect_s`). Not in it are waiting for a place in the pool, decoding, and
  the time in which the process did not look at a connection that was there, or that answered while it was made. Nor is it how
  late the process itself came to look at an arrival that was due: the target had no part in that, just as in answers that
  lie unread. It is told apart, as the arrivals' lateness (worker.load.arrivals.starter).
- So only a wait, for a user that had no answer yet, may have in it what the event loop lags: the answer may have lain unread.
  As with all that is late, the lag since it was due is counted in the second in which the latency is (`LoopLag.carry`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from gevent import GreenletExit
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from worker import __version__
from worker.due_task import DueTask
from worker.http.call import NO_BODY, Call
from worker.http.cookies.jar import Cookies
from worker.http.debug import conversation
from worker.http.errors import FAILURES, BadAnswerError, HttpError, StatusError
from worker.http.exchange import Exchange
from worker.http.protocol.content_coding import ACCEPTED, decode
from worker.http.protocol.default_headers import DefaultHeaders
from worker.http.protocol.request_body import encode_body
from worker.http.protocol.request_head import basic_auth, with_authorization
from worker.http.protocol.response_head import Head
from worker.http.protocol.url import parse_url, split_credentials, with_params
from worker.http.request_options import RequestOptions, read_options
from worker.http.response import CaughtResponse, Response
from worker.http.transport.connect import ConnectSettings
from worker.http.transport.pool import Pool

_DEFAULTS = {"User-Agent": f"piswarm/{__version__}", "Accept-Encoding": ACCEPTED}

_MAX_EXCHANGES = 8

_clock = time.monotonic


class Session:
    """What a user has as `client`; the calls are those of Locust's FastHttpSession."""

    def __init__(
        self,
        base_url: str,
        *,
        settings: ConnectSettings,
        pool: Pool,
        request_event: Any,
        user: Any = None,
        default_headers: Mapping[str, Any] | None = None,
        max_redirects: int = 30,
        max_retries: int = 0,
        due: DueTask | None = None,
    ) -> None:
        """`request_event` is fired for each request; see worker.load.request_event.RequestEvent. Raises ValueError for a `base_url` that is none.

        `due` is the user's, None for a client of its own.
        """
        self.base_url, authorization = split_credentials(base_url)
        """Scheme, host and first part of the path of requests whose URL has none; without credentials."""
        parse_url("", self.base_url)
        self.user = user
        self.request_name: str | None = None
        """The name of requests for which the task gives none."""
        self._due = DueTask() if due is None else due
        credentials = {} if authorization is None else {"Authorization": authorization}
        default_options = RequestOptions(settings.connect_s, settings.limits, max_redirects, max_retries)
        self._exchange = Exchange(
            settings, pool, DefaultHeaders(_DEFAULTS, credentials, default_headers or {}), Cookies(), default_options
        )
        self._settings = settings
        self._exchanges: dict[bool | str, Exchange] = {}  # by `verify` of a request, where it is not the user's
        self._max_body_bytes = settings.limits.max_body_bytes
        self.request_event = request_event
        """The event that is fired for each request, also by clients that a task makes itself."""
        # An event that counts requests itself is called without the detour of its keywords while nobody else listens.
        self._record = getattr(request_event, "record", None)
        self._note_behind = getattr(request_event, "note_behind", None)
        self._listeners = request_event._handlers  # noqa: SLF001  # Locust has no public way to see whether there are any
        in_flight: set[Any] | None = getattr(request_event, "in_flight", None)
        self._in_flight = set() if in_flight is None else in_flight
        self._note_cut = getattr(request_event, "note_cut", None)
        requesting: set[str] | None = getattr(request_event, "requesting", None)
        if requesting is not None:
            self._exchange.on_first = partial(requesting.add, "" if user is None else type(user).__name__)

    @property
    def intended_s(self) -> float | None:
        """When the task under way was due, on the monotonic clock, if it began late; set by worker.pacing.

        The latency of the next request, which sets it to None, counts from then. Whatever the task did before is in it, as is
        all that may happen to the request: redirects, retries, failure. `late_s` of the response is the part of it before the
        request was made; `start_time` of the event is when it was made. All clients of a user share it.
        """
        return self._due.intended_s

    @intended_s.setter
    def intended_s(self, due_s: float | None) -> None:
        self._due.intended_s = due_s

    @property
    def behind_since_s(self) -> float | None:
        """When a task of the user last began on time, on the monotonic clock; set by worker.pacing."""
        return self._due.behind_since_s

    @behind_since_s.setter
    def behind_since_s(self, since_s: float | None) -> None:
        self._due.behind_since_s = since_s

    @property
    def unread_s(self) -> float:
        """Seconds since then in which responses had reached this machine and were not read; reset by worker.pacing."""
        return self._due.unread_s

    @unread_s.setter
    def unread_s(self, seconds: float) -> None:
        self._due.unread_s = seconds

    @property
    def cookiejar(self) -> Cookies:
        """The user's cookies, in a jar of the standard library."""
        return self._exchange.cookies

    @property
    def client(self) -> Exchange:
        """The lower layer of this client: its `clientpool` can be closed, its `default_headers` changed."""
        return self._exchange

    @property
    def auth_header(self) -> Any:
        """The Authorization header of requests that have none of their own, or None."""
        return self._exchange.default_headers.get("Authorization")

    @auth_header.setter
    def auth_header(self, value: str | bytes | None) -> None:
        self._exchange.default_headers["Authorization"] = value

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Record the requests within the block under `name`."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def close(self) -> None:
        """Close the idle connections."""
        self._exchange.clientpool.close()
        for exchange in self._exchanges.values():
            exchange.clientpool.close()

    def request(  # noqa: C901, PLR0912, PLR0915, PLR0917  # in one piece, since each request runs it; the order is Locust's
        self,
        method: str,
        url: str,
        name: str | None = None,
        data: Any = None,
        catch_response: bool = False,
        stream: bool = False,
        headers: Mapping[str, Any] | None = None,
        auth: tuple[str | bytes, str | bytes] | None = None,
        json: Any = None,
        allow_redirects: bool = True,
        context: Mapping[str, Any] | None = None,
        *,
        params: Any = None,
        files: Any = None,
        **options: Any,
    ) -> Any:
        """Send one request; a Response, or with `catch_response` a CaughtResponse. No failure of the target raises.

        `url` is a path behind the base URL, or a whole URL; `name` is what the request is counted under, else the url as
        given. `data`: text, bytes, a form as mapping or pairs, a file, or an iterable of bytes; `json`: anything that JSON
        can say; `files`: as in requests. With `stream` the call returns at the head, and the body is read as it comes.
        `options`: `timeout`, `verify` and `cookies` as in requests; `max_retries`, `max_redirects`, `debug_stream`.
        Raises ValueError for a url or header that can't be sent, and TypeError for an argument that there is not.
        """
        parsed_url = parse_url(with_params(url, params) if params else url, self.base_url)
        if auth is not None:
            headers = with_authorization(headers, basic_auth(*auth))
        elif parsed_url.authorization is not None:
            headers = with_authorization(headers, parsed_url.authorization)
            url = parsed_url.url
        name = name or self.request_name or url
        call = Call(
            method if method.isupper() else method.upper(),
            parsed_url,
            headers,
            NO_BODY if data is None and json is None and not files else encode_body(data, json, files),
            stream,
            name,
        )
        if self._due.intended_s is not None:
            self._count_from_due(call)
        # Somebody may look at the event; if nobody does, the request is counted without it.
        seen = catch_response or self._listeners or self._record is None
        if seen:
            event_context = {} if self.user is None else self.user.context()
            start_time = time.time()
        head: Head | None = None
        content: bytes | None = None
        error: BaseException | None = None
        exchange = self._exchange
        if options:
            exchange = self._exchange_with(options, call)
        in_flight = self._in_flight
        in_flight.add(call)
        try:
            head = exchange.send(call)
            if head.redirects and allow_redirects:
                head = exchange.follow(call, head)
        except FAILURES as failure:
            head = None
            error = failure
        except GreenletExit:
            if self._note_cut is not None and self.user is not None and self.user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001
                self._note_cut(call, _clock())
            raise
        finally:
            in_flight.discard(call)
        now_s = _clock()
        latency_s = self._latency_s(call, head, now_s)
        length = 0
        if head is not None:
            if call.stream is not None:
                length = head.length or 0
            else:
                content = call.content
                if head.encoding:
                    content, error = self._decode(head.encoding, content)
                length = len(content or b"")
            if head.status >= 400 and error is None:
                error = StatusError(call.parsed_url.url, code=head.status)
        response = (CaughtResponse if catch_response else Response)(
            call, head, content, error, exchange.default_headers
        )
        response.latency_s = latency_s
        timestamped = head is not None and call.timestamped and call.connects_timestamped and not call.history
        response.kernel_latency_ms = latency_s * 1000 if timestamped else None
        if options and call.options is not None and call.options.debug_stream is not None:
            call.options.debug_stream.write(conversation(response))
        if not seen:
            assert self._record is not None
            self._record(method, name, latency_s * 1000, length, error, now_s, not timestamped, call.late_s * 1000)
            return response
        meta = {
            "request_type": method,
            "name": name,
            "context": {**event_context, **context} if context else event_context,
            "response": response,
            "exception": error,
            "start_time": start_time,
            "url": parsed_url.url,
            "response_length": length,
            "response_time": latency_s * 1000,
        }
        if isinstance(response, CaughtResponse):
            response.request_meta = meta
            response.report = self.request_event.fire
        else:
            self.request_event.fire(**meta)
        return response

    def get(self, url: str, **kwargs: Any) -> Any:
        """A GET request."""
        return self.request("GET", url, **kwargs)

    def head(self, url: str, **kwargs: Any) -> Any:
        """A HEAD request."""
        return self.request("HEAD", url, **kwargs)

    def options(self, url: str, **kwargs: Any) -> Any:
        """An OPTIONS request."""
        return self.request("OPTIONS", url, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> Any:
        """A DELETE request."""
        return self.request("DELETE", url, **kwargs)

    def post(self, url: str, data: Any = None, json: Any = None, **kwargs: Any) -> Any:
        """A POST request."""
        return self.request("POST", url, data=data, json=json, **kwargs)

    def put(self, url: str, data: Any = None, **kwargs: Any) -> Any:
        """A PUT request."""
        return self.request("PUT", url, data=data, **kwargs)

    def patch(self, url: str, data: Any = None, **kwargs: Any) -> Any:
        """A PATCH request."""
        return self.request("PATCH", url, data=data, **kwargs)

    def iter_lines(self, url: str, method: str = "GET", **kwargs: Any) -> Iterator[str]:
        """A streamed request's body, line by line, without the line ends.

        Raises what made the request fail, and BadAnswerError for a line that is larger than a body may be.
        """
        response = self.request(method, url, stream=True, **kwargs)
        response.raise_for_status()
        begun = bytearray()
        for piece in response.iter_content(chunk_size=1 << 16, decode_content=False):
            *ends, rest = piece.split(b"\n")
            for end in ends:
                yield (bytes(begun) + end).decode(errors="replace")
                begun.clear()
            begun += rest
            if len(begun) > self._max_body_bytes:
                response.close()
                raise BadAnswerError(f"a line of more than {self._max_body_bytes} bytes")
        if begun:
            yield begun.decode(errors="replace")

    def _exchange_with(self, given: Mapping[str, Any], call: Call) -> Exchange:
        """The exchange for `call` with the options `given`, which `call` has from now on. Raises TypeError and ValueError."""
        options = call.options = read_options(given, self._exchange.default_options)
        if options.cookies:
            call.headers = {**dict(call.headers or {}), "Cookie": None}
        if options.verify is None or options.verify == self._settings.verify:
            return self._exchange
        if self._settings.verify is None:
            raise TypeError("verify= of a request has no say where ssl_context_factory makes the TLS context")
        if options.verify is True and self._settings.verify:
            return self._exchange  # against the user's ca_file
        exchange = self._exchanges.get(options.verify)
        if exchange is None:
            if len(self._exchanges) >= _MAX_EXCHANGES:
                self._exchanges.popitem()[1].clientpool.close()
            exchange = self._exchanges[options.verify] = self._exchange.verifying(options.verify)
        return exchange

    def _count_from_due(self, call: Call) -> None:
        if self.user is not None and self.user._state == LOCUST_STATE_WAITING:  # noqa: SLF001  # it has no public name
            return  # not the task's: it has yet to begin, or the user was stopped before it did
        due = self._due
        due_s, due.intended_s = due.intended_s, None
        if due.waited_s is not None:
            call.late_s = call.added_s = due.waited_s
        else:
            assert due_s is not None
            call.started_s = due_s
            call.late_s = _clock() - due_s

    def _latency_s(self, call: Call, head: Head | None, now_s: float) -> float:
        """The latency of `call`, whose response or failure was noticed at `now_s`; the module says what it is."""
        started_s = call.started_s
        if started_s is None:
            return 0.0
        if call.late_s:
            started_s -= call.added_s
            if self._note_behind is not None and self._due.behind_since_s is not None:
                self._note_behind(self._due.behind_since_s, now_s, call.late_s * 1000)
        if head is None or call.answered_s is None:
            return now_s - started_s
        self._due.unread_s += now_s - call.answered_s + call.connect_unread_s
        return call.answered_s - started_s

    def _decode(self, encoding: bytes, content: bytes) -> tuple[bytes | None, BaseException | None]:
        try:
            return decode(content, encoding, self._max_body_bytes), None
        except HttpError as error:
            return None, error
