"""Responses as a task sees them; with catch_response the task decides whether they count as failures."""

from __future__ import annotations

import json as standard_json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import msgspec
from charset_normalizer import detect
from geventhttpclient.header import Headers
from locust.exception import CatchResponseError, LocustError, ResponseError
from requests.utils import get_encoding_from_headers

from worker.http.call import Call
from worker.http.errors import FAILURES
from worker.http.protocol.body_reader import BodyReader
from worker.http.protocol.request_body import JSON, TEXT
from worker.http.protocol.request_head import header_lines
from worker.http.protocol.response_head import Head
from worker.http.transport.stream import Stream


class Request:
    """The request that was sent: `method`, `url` (after redirects the last one), `body` in whole, and `headers`.

    The body is as with FastHttpUser: text for JSON and for text that came with a Content-Type, else bytes; a file itself.
    """

    def __init__(self, call: Call, defaults: Mapping[str, Any]) -> None:
        self.method = call.method
        self.url = call.parsed_url.url
        self._body = call.body
        self._layers = (defaults, call.body.headers, call.headers, call.dropped)

    @property
    def body(self) -> Any:
        """The body that was sent; None if there was none."""
        body = self._body
        if body.upload is not None:
            return body.upload.source
        if not body.content:
            return None
        is_text = body.content_type == JSON or (
            body.content_type == TEXT and self.headers.get("Content-Type") != body.content_type
        )
        return body.content.decode() if is_text else body.content

    @property
    def payload(self) -> Any:
        """The body, by another name that FastHttpUser has."""
        return self.body

    @property
    def headers(self) -> Headers:
        """All header fields but Host, Cookie and those that say how the body is sent."""
        lines = header_lines(*self._layers).decode("latin-1").split("\r\n")
        return Headers([tuple(line.split(": ", 1)) for line in lines[:-1]])


class Response:
    """The response to a request; without one `error` says why, `status_code` is 0 and `content` None."""

    _stream: Stream | None = None
    _headers: Headers | None = None
    _encoding: str | None = None
    _reading: BodyReader | None = None
    latency_s = 0.0
    """The latency in seconds, as it was recorded; worker.http.session says when its clock starts and ends."""
    kernel_latency_ms: float | None = None
    """The latency in ms if the kernel's timestamp ended it; None if the process's own clock did, late as it may be."""

    def __init__(
        self,
        call: Call,
        head: Head | None,
        content: bytes | None,
        error: BaseException | None,
        defaults: Mapping[str, Any],
    ) -> None:
        """`content` is decoded; `defaults` are the headers that each request has."""
        self.error = error
        """The failure of the request, which a status of 400 or more is; None if it succeeded."""
        self.status_code = 0 if head is None else head.status
        self._call = call
        self._head = head
        self._content = content
        self._defaults = defaults
        if call.stream is not None:
            self._stream = call.stream

    @property
    def exchanged(self) -> tuple[Call, Head | None]:
        """The call, and the head of its response."""
        return self._call, self._head

    @property
    def _request(self) -> Request:
        """The request, by the name that Locust's run_single_user knows."""
        return self.request

    @property
    def request(self) -> Request:
        """The request that was sent, the last one if there were redirects."""
        return Request(self._call, self._defaults)

    @property
    def url(self) -> str:
        """The URL of the request, the last one if there were redirects."""
        return self._call.parsed_url.url

    @property
    def history(self) -> list[Response]:
        """The redirects that led here, first one first."""
        return [Response(call, head, call.content, None, self._defaults) for call, head in self._call.history]

    @property
    def connect_s(self) -> float:
        """Seconds of the latency that went into new connections."""
        return self._call.connect_s

    @property
    def late_s(self) -> float:
        """Seconds of the latency before the request was made, because its task began late; the rest is the service time."""
        return self._call.late_s

    @property
    def ok(self) -> bool:
        """Whether there is a response with a status below 400."""
        return 0 < self.status_code < 400

    @property
    def elapsed(self) -> timedelta:
        """The latency, by the name that requests gives it."""
        return timedelta(seconds=self.latency_s)

    @property
    def headers(self) -> Headers | None:
        """The header fields, case-insensitive; several lines of one name are a list."""
        if self._headers is None and self._head is not None:
            self._headers = Headers(self._head.fields)
        return self._headers

    @property
    def content(self) -> bytes | None:
        """The body, decoded; of a streamed one, what has not been read yet. Reading that raises FAILURES."""
        begun = self._reading is not None and self._call.streamed and self._head is not None
        if self._content is None and (self._stream is not None or begun):
            self._content = b"".join(self._pieces())
        return self._content

    @property
    def encoding(self) -> str | None:
        """The charset of `text`: as set, else of Content-Type (RFC 9110 8.3.2), else as guessed from the content."""
        if self._encoding is None and self.content is not None:
            types = self.headers.getlist("Content-Type") if self.headers is not None else []
            said: Any = {"content-type": types[0]} if types else {}
            self._encoding = get_encoding_from_headers(said) or detect(self.content)["encoding"]
        return self._encoding

    @encoding.setter
    def encoding(self, encoding: str | None) -> None:
        self._encoding = encoding

    @property
    def text(self) -> str | None:
        """The body as text; what does not fit the encoding is replaced."""
        if self.content is None:
            return None
        if not self.content:
            return ""
        try:
            return str(self.content, self.encoding or "utf-8", errors="replace")
        except (LookupError, UnicodeError):  # the server names an encoding that does not exist, or that can't be used
            return str(self.content, "utf-8", errors="replace")

    @property
    def stream(self) -> BodyReader:
        """The body, to read from: `read`, `readline` and iteration."""
        if self._reading is None:
            self._reading = BodyReader(self._unread())
            if self._call.streamed and self._content is not None:  # all of it came at once, which must not tell
                self._reading = BodyReader(iter((self._content,)))
                self._content = None
        return self._reading

    def read(self, size: int | None = None) -> bytes:
        """The next `size` bytes of the body, or all that is left of it."""
        return self.stream.read(size)

    def readline(self) -> bytes:
        """The next line of the body, which ends with CRLF."""
        return self.stream.readline()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.stream)

    def info(self) -> Headers | None:
        """The header fields."""
        return self.headers

    @property
    def status(self) -> str:
        """The status code as text."""
        return str(self.status_code)

    @property
    def data(self) -> bytes | None:
        """The body, decoded."""
        return self.content

    def isclosed(self) -> bool:
        """Whether all of the body was received, or the rest was given up."""
        return self._stream is None or self._stream.closed

    def json(self) -> Any:
        """The body as JSON. Raises json.JSONDecodeError, or TypeError if there is no body."""
        content = self.content
        if content is not None:
            try:
                return msgspec.json.decode(content)
            except (msgspec.DecodeError, RecursionError):
                pass  # other encodings, NaN and the like: the standard library's business, and so is the error
        try:
            return standard_json.loads(self.text)  # type: ignore[arg-type]  # None raises what callers expect
        except RecursionError:
            raise standard_json.JSONDecodeError("nested too deeply", "", 0) from None

    def raise_for_status(self) -> None:
        """Raise `error` if there is one."""
        if self.error is not None:
            raise self.error

    def iter_content(self, chunk_size: int = 1024, decode_content: bool = True) -> Iterator[bytes | str]:
        """The body in pieces of at most `chunk_size` bytes, as text where it is UTF-8 and `decode_content` is set.

        A failure ends it: the request counts as failed if it is not reported yet, else the failure is raised.
        """
        for piece in self._pieces():
            for start in range(0, len(piece), chunk_size):
                chunk = piece[start : start + chunk_size]
                try:
                    yield chunk.decode() if decode_content else chunk
                except UnicodeDecodeError:
                    yield chunk

    def close(self) -> None:
        """Leave the rest of a streamed body unread."""
        if self._stream is not None:
            self._stream.close()

    def release(self) -> None:
        """Close, by another name that FastHttpUser has."""
        self.close()

    def success(self) -> None:
        """Only with catch_response. Raises LocustError."""
        raise LocustError(_NOT_CAUGHT)

    def failure(self, exc: Any = None) -> None:  # noqa: ARG002  # as in a CaughtResponse
        """Only with catch_response. Raises LocustError."""
        raise LocustError(_NOT_CAUGHT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self.close()
        return None

    def _pieces(self) -> Iterator[bytes]:
        yield from self._unread() if self._reading is None else self._reading

    def _unread(self) -> Iterator[bytes]:
        if self._stream is None:
            yield self._content or b""
            return
        try:
            yield from self._stream
        except FAILURES as error:
            self.error = error
            self._on_stream_failure(error)

    def _on_stream_failure(self, error: BaseException) -> None:
        raise error


_NOT_CAUGHT = (
    "to say how a request counts, pass catch_response=True and use the response in a with-block:"
    " with self.client.get(..., catch_response=True) as response: ..."
)


class CaughtResponse(Response):
    """A response that is recorded when its with-block ends: by its status, unless the block called success() or failure()."""

    _verdict: BaseException | bool | None = None
    _entered = False
    request_meta: dict[str, Any]
    """The arguments with which the request event will be fired; a block may change them."""
    report: Callable[..., None]

    def success(self) -> None:
        """Record the request as successful, whatever its status. Raises LocustError outside a with-block."""
        self._require_block()
        self._verdict = True

    def failure(self, exc: Any = None) -> None:
        """Record the request as failed because of `exc`, an exception or a message. Raises LocustError outside a with-block."""
        self._require_block()
        self._verdict = exc if isinstance(exc, BaseException) else CatchResponseError(exc)

    def raise_for_status(self) -> None:
        """Raise the failure that the block set, or `error` if it set neither success nor failure."""
        if isinstance(self._verdict, BaseException):
            raise self._verdict
        if self._verdict is None:
            super().raise_for_status()

    def __enter__(self) -> Self:
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if self._stream is not None:
            self._stream.close()
        verdict = self._verdict
        if verdict is not None:
            self._report(verdict if isinstance(verdict, BaseException) else None)
            return kind is None
        if error is None:
            self._report(self.error)
            return True
        if isinstance(error, ResponseError):
            self._report(error)
            return True
        if self.error is not None:
            # What the block raised is a consequence, such as json() of no content or of an error page. Locust's user leaves the
            # request out, so that a target that resets all connections, or is overloaded, has no failure at all.
            self._report(self.error)
        return False

    def _report(self, exception: BaseException | None) -> None:
        self.request_meta["exception"] = exception
        self.report(**self.request_meta)

    def _require_block(self) -> None:
        if not self._entered:
            raise LocustError(_NOT_CAUGHT)

    def _on_stream_failure(self, error: BaseException) -> None:
        pass  # self.error has it, and the end of the block reports it
