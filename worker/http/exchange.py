"""Carries out requests: over a connection of the pool, again if that was stale, and on to where redirects lead.

Invariants:

- A place in the pool is taken for each request that is sent, and given back once: here, or by the Stream of its response.
- What is sent again by itself is idempotent, and its body can be read again (RFC 9110 9.2.2). Once that is done without being
  counted, if a connection used before fails before any byte of the response: the server may have closed it in the meantime
  (RFC 9112 9.3.1). Any other failure is retried at most `max_retries` times, a time limit never on a stale connection's account.
- Header fields bound to an origin (Host, Authorization, Cookie) never follow a redirect to another (RFC 9110 15.4).
- The bytes sent depend on the call, the default headers and the cookies alone: a remembered header block is used only while
  all that it was made of is equal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from worker.http.call import NO_BODY, Call
from worker.http.cookies.jar import Cookies
from worker.http.errors import RedirectError, StrayBytesError
from worker.http.protocol.default_headers import DefaultHeaders
from worker.http.protocol.request_head import IDEMPOTENT, header_lines, request_line
from worker.http.protocol.response_head import Head
from worker.http.protocol.url import ParsedUrl
from worker.http.request_options import RequestOptions
from worker.http.transport.connect import ConnectSettings
from worker.http.transport.connection import Connection
from worker.http.transport.pool import OriginPool, Pool
from worker.http.transport.stream import Stream
from worker.http.transport.tls import shared_context

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # their body is announced also when it is empty (RFC 9110 8.6)

_MAX_REDIRECT_BODY_BYTES = 64 * 1024  # of each redirect's response, which hardly anybody looks at

_clock = time.monotonic


class Exchange:
    """Sends the calls of one user, over its pool and with its default headers and cookies."""

    def __init__(
        self,
        settings: ConnectSettings,
        pool: Pool,
        defaults: DefaultHeaders,
        cookies: Cookies,
        default_options: RequestOptions,
    ) -> None:
        """`default_options` are the options of calls that have none of their own."""
        self.cookies = cookies
        self.default_headers = defaults
        """Headers of every request."""
        defaults.on_change.append(self._forget_block)
        self.default_options = default_options
        self._settings = settings
        self.clientpool = pool
        self._via_proxy = settings.proxy is not None
        self._block: _HeaderBlock | None = None
        self._block_before: _HeaderBlock | None = None
        self._origin_pool: OriginPool | None = None
        self.on_first: Callable[[], None] | None = None
        """Called before the first request to an origin, and when requests go to another one again."""

    def verifying(self, verify: bool | str) -> Exchange:
        """Another exchange of this user, which verifies certificates by the system's CAs (True), a file's, or not (False)."""
        ca_file = None if isinstance(verify, bool) else verify
        settings = self._settings._replace(
            tls_context=lambda: shared_context(None, ca_file, insecure=verify is False), verify=verify
        )
        exchange = Exchange(
            settings, self.clientpool.for_other_tls(), self.default_headers, self.cookies, self.default_options
        )
        exchange.on_first = self.on_first
        return exchange

    def _forget_block(self) -> None:
        self._block = self._block_before = None

    def follow(self, call: Call, head: Head) -> Head:
        """Follow the redirect `head` and those behind it; returns the head of the last response. Raises FAILURES."""
        limit = (call.options or self.default_options).max_redirects
        while head.redirects and limit:
            if call.stream is not None:
                call.stream.close()
                call.stream = None
            if len(call.history) == limit:
                raise RedirectError(f"more than {limit} redirects")
            past = copy(call)
            past.content = past.content if len(past.content) <= _MAX_REDIRECT_BODY_BYTES else b""
            call.history = (*call.history, (past, head))
            call.redirect(head.status, head.location)
            head = self.send(call)
        return head

    def send(self, call: Call) -> Head:
        """Send `call` as it is, and wait for the response, or its head if it is streamed. Raises FAILURES."""
        origin_pool = self._origin_pool
        if origin_pool is None or origin_pool.origin is not call.parsed_url.origin:
            origin_pool = self._origin_pool = self.clientpool.for_origin(call.parsed_url.origin)
            if self.on_first is not None:
                self.on_first()
        request = self._serialize(call)
        if call.options is not None:
            call.sent = request.partition(b"\r\n\r\n")[0]
        if origin_pool.free:
            origin_pool.free -= 1
        else:
            origin_pool.wait()
        try:
            connection = self._send_on_connection(call, origin_pool, request)
        except BaseException:
            origin_pool.release(None)
            raise
        reader = connection.reader
        head = reader.head
        assert head is not None
        call.answered_s = connection.answered_s
        call.timestamped = connection.timestamped
        if not call.streamed:
            call.content = reader.body
            origin_pool.release(connection)
        elif reader.complete:
            call.content = reader.body or reader.pop_content()
            origin_pool.release(connection)
        else:
            call.stream = Stream(connection, origin_pool, self._settings.limits.max_body_bytes)
        if head.sets_cookies:
            self.cookies.extract(head, call.parsed_url)
        return head

    def _send_on_connection(self, call: Call, origin_pool: OriginPool, request: bytes) -> Connection:
        """Send `request` and wait; returns the connection that has the response. Raises FAILURES.

        That the server has closed an idle connection may show only when it is used: an idempotent request is sent again then,
        once, on a new one (RFC 9112 9.3.1).
        """
        method = call.method
        upload = call.body.upload
        repeatable = method in IDEMPOTENT and (upload is None or upload.repeatable)
        options = call.options or self.default_options
        retries = options.max_retries
        renewed = False
        while True:
            connection = None if renewed or not origin_pool.idle else origin_pool.acquire_idle(check=not repeatable)
            reused = connection is not None
            try:
                if connection is None:
                    connection = self._connect(call, origin_pool)
                if connection.limits is not options.limits:
                    connection.set_limits(options.limits)
                call.connection = connection
                if upload is None and not call.expects:
                    connection.request(request, method == "HEAD", call.streamed)
                else:
                    connection.request_with_body(
                        request,
                        upload.pieces() if upload is not None else (call.rest,),
                        method == "HEAD",
                        call.streamed,
                        expects=call.expects,
                    )
            except (OSError, StrayBytesError) as error:
                stale = (
                    reused
                    and connection is not None
                    and not connection.reader.begun
                    and not isinstance(error, TimeoutError)
                )
                if not repeatable or not (stale or (retries and isinstance(error, OSError))):
                    raise
                if stale:
                    renewed = True
                else:
                    retries -= 1
            else:
                return connection
            finally:
                if call.started_s is None and connection is not None:
                    call.started_s = connection.sent_s

    def _connect(self, call: Call, origin_pool: OriginPool) -> Connection:
        begun_s = _clock()
        if call.started_s is None:
            call.started_s = begun_s
        settings = self._settings
        if call.options is not None:
            settings = settings._replace(connect_s=call.options.connect_s)
        connection = origin_pool.connect(settings)
        unread_s = connection.connect_unread_s
        if unread_s is None:
            call.connects_timestamped = False
            unread_s = 0.0
        call.started_s += unread_s
        call.connect_unread_s += unread_s
        call.connect_s += _clock() - begun_s - unread_s
        return connection

    def _serialize(self, call: Call) -> bytes:
        """Request line, header, and the body unless that is uploaded or waits for "100 Continue"."""
        block = self._block
        body = call.body
        if (
            block is None
            or block.given != call.headers
            or block.content_type != body.content_type
            or block.origin is not call.parsed_url.origin
            or call.dropped is not None
        ):
            block = self._other_block(call)
        target = call.parsed_url.target if not self._via_proxy else self._target_via_proxy(call.parsed_url)
        line = (request_line if call.dropped is None else request_line.__wrapped__)(call.method, target)
        if body is NO_BODY and not self.cookies.filled and call.options is None and call.method not in _WITH_BODY:
            return line + block.ended
        return self._with_body(line + block.lines, block, call)

    def _other_block(self, call: Call) -> _HeaderBlock:
        """The block before the last one, if it is for `call`: users ask with the same header mostly, and with others in between."""
        block = self._block_before
        if block is None or call.dropped is not None or not block.is_for(call):
            block = _HeaderBlock(call, self.default_headers)
        if call.dropped is None:
            self._block, self._block_before = block, self._block
        return block

    def _with_body(self, lines: bytes, block: _HeaderBlock, call: Call) -> bytes:
        body = call.body
        call.expects = block.expects
        if call.options is not None and call.options.cookies and "Cookie" not in (call.dropped or ()):
            lines += header_lines({"Cookie": self.cookies.header_with(call.options.cookies, call.parsed_url)})
        elif self.cookies.filled and not block.has_cookie:
            cookies = self.cookies.header_for(call.parsed_url)
            if cookies is not None:
                lines += header_lines({"Cookie": cookies})
        if body.upload is not None:
            if not block.has_length:
                lines += header_lines(body.upload.headers)
        elif body.content or call.method in _WITH_BODY:
            if not block.has_length:
                lines += b"Content-Length: %d\r\n" % len(body.content)
            content = body.content
            if block.chunked:
                content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
            if block.expects:
                call.rest = content
            else:
                return b"%b\r\n%b" % (lines, content)
        return lines + b"\r\n"

    def _target_via_proxy(self, parsed_url: ParsedUrl) -> str:
        # RFC 9112 3.2.2: absolute-form to a proxy; through a tunnel the origin sees origin-form.
        return (
            f"http://{parsed_url.host}{parsed_url.target}" if parsed_url.origin.scheme == "http" else parsed_url.target
        )


class _HeaderBlock:
    """Header lines that depend on neither target nor length, kept since the next request mostly has the same.

    They are for calls to `origin` with the headers `given` and a body of this `content_type`.
    """

    __slots__ = ("chunked", "content_type", "ended", "expects", "given", "has_cookie", "has_length", "lines", "origin")

    def __init__(self, call: Call, defaults: Mapping[str, Any]) -> None:
        self.origin = call.parsed_url.origin
        self.content_type = call.body.content_type
        self.given = None if call.headers is None else _snapshot(call.headers)
        host = {"Host": call.parsed_url.host}
        self.lines = header_lines(
            host,
            defaults,
            call.body.headers,
            call.headers,
            call.dropped,
            host if "Host" in (call.dropped or ()) else None,
        )
        self.ended = self.lines + b"\r\n"
        names = {line.split(b":", 1)[0].lower() for line in self.lines.split(b"\r\n")}
        self.has_cookie = b"cookie" in names
        self.chunked = b"\r\ntransfer-encoding: chunked\r\n" in self.lines.lower()
        self.has_length = self.chunked or b"content-length" in names
        self.expects = b"\r\nexpect: 100-continue\r\n" in self.lines.lower()

    def is_for(self, call: Call) -> bool:
        """Whether `call` has the same header, if no redirect has taken any of it away."""
        return (
            self.given == call.headers
            and self.content_type == call.body.content_type
            and self.origin is call.parsed_url.origin
        )


def _snapshot(headers: Any) -> dict[str, Any]:
    """A copy of `headers`, lists in it included, to tell later whether they have changed."""
    return {name: value.copy() if isinstance(value, list) else value for name, value in dict(headers).items()}
