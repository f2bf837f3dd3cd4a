"""Heads of responses: status line and header fields (RFC 9112 4, 5). No I/O.

Each head is parsed once for equal bytes, since a server under load says the same again and again. A Head is therefore shared
between responses, and never changed once it is parsed.
"""

from __future__ import annotations

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from worker.http.protocol.errors import BadAnswerError, StrayBytesError
from worker.http.protocol.lenient import normalize, transfer_encoding_is_chunked

BODILESS = frozenset({204, 304})  # RFC 9110 15.3.5, 15.4.5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})  # RFC 9110 15.4; 300 and 305 lead nowhere by themselves
END = b"\r\n\r\n"
START = b"HTTP/1."
find_end = re.compile(rb"\n\r?\n").search
"""Finds where a head ends, also one whose lines end with a line feed alone (RFC 9112 2.2)."""
MAX_HEAD_BYTES = 64 * 1024
"""Longer heads are refused. Servers take far less from a client (nginx 32 KiB, Apache 64 KiB in all)."""
_SHOWN_BYTES = 20  # enough to tell what it is; what differs each time does not add up

_MAX_REMEMBERED = 256
_MAX_REMEMBERED_BYTES = 4096
remembered: dict[bytes, Head] = {}
"""Heads parsed before, by their bytes; bounded."""


class Head:
    """One parsed head: its bytes up to and with the empty line, and what follows from them."""

    # What most heads don't have is set only where they do.
    length: int | None = None
    """The Content-Length."""
    plain_length = -1
    """The same where nothing else decides how long the body is, else -1."""
    chunked = False
    encoding = b""
    """The content codings in the order in which they were applied, with commas between (RFC 9110 8.4)."""
    redirects = False
    """Whether it is a redirect that names its target, `location`."""
    sets_cookies = False

    def __init__(self, data: bytes, status: int) -> None:
        self.status = status
        self.keep_alive = data.startswith(_VERSION_1_1)
        """Whether the server keeps the connection: HTTP/1.1 does unless it says close, 1.0 if it says keep-alive (RFC 9112 9.3)."""
        self.data = data
        """The head as a strict server would have sent it."""
        for name, value in _noted(data.lower()):
            self._note(name, value.rstrip())
        if not self.chunked and self.length is not None and status >= 200 and status not in BODILESS:
            self.plain_length = self.length

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Names and values of the fields in the server's spelling and order."""
        _, *lines = self.data[: -len(END)].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return [(name, value.strip(" \t")) for name, _, value in pairs]

    @property
    def location(self) -> str:
        """The first Location field, a URI reference (RFC 9110 10.2.2)."""
        found = (value for name, value in self.fields if name.lower() == "location")
        return next(found).encode("latin-1").decode("utf-8", "replace")

    def _note(self, name: bytes, value: bytes) -> None:
        match name:
            case b"content-length":
                self.length = int(value)  # both parsers let nothing through but digits, and only once (RFC 9112 6.3)
            case b"transfer-encoding":
                self.chunked = value == b"chunked" or transfer_encoding_is_chunked(value) or self.chunked
            case b"connection":
                if value == b"keep-alive":
                    self.keep_alive = True
                else:
                    tokens = {token.strip() for token in value.split(b",")}
                    self.keep_alive = b"close" not in tokens and (self.keep_alive or b"keep-alive" in tokens)
            case b"content-encoding":
                if value != b"identity":
                    self.encoding = self.encoding + b"," + value if self.encoding else value
            case b"location":
                self.redirects = bool(value) and self.status in _REDIRECTS
            case _:
                self.sets_cookies = True


# The fields that matter here, of a head in small letters.
_noted = re.compile(
    rb"\n(con(?:tent-(?:length|encoding)|nection)|transfer-encoding|location|set-cookie):[ \t]*([^\r]*)"
).findall
_VERSION_1_1 = b"HTTP/1.1 "
_VERSIONS = (_VERSION_1_1, b"HTTP/1.0 ")


_NOBODY = object()  # the parser checks, and tells nobody: what matters here is in few of the lines


def parse(data: bytes) -> Head:
    """Parse `data`, one head up to and with its empty line. Raises BadAnswerError for what is no head of HTTP/1."""
    parser = HttpResponseParser(_NOBODY)
    text = data
    try:
        parser.feed_data(data)
        status = parser.get_status_code()
        if not data.startswith(_VERSIONS):
            raise BadAnswerError(f"not an HTTP/1 answer: {data[:_SHOWN_BYTES]!r}")
    except HttpParserUpgrade:
        raise BadAnswerError("the server switched to another protocol, which nobody asked for") from None
    except HttpParserError as error:
        if data[9:12] == b"101":
            raise BadAnswerError("the server switched to another protocol, which nobody asked for") from None
        normalized = normalize(data)
        if normalized is None:
            raise BadAnswerError(f"not an HTTP answer ({error}): {data[:_SHOWN_BYTES]!r}") from None
        status, text = normalized
    if status < 100:
        raise BadAnswerError(f"not an HTTP/1 answer: {data[:_SHOWN_BYTES]!r}")
    head = Head(text, status)
    if len(data) <= _MAX_REMEMBERED_BYTES:
        if len(remembered) >= _MAX_REMEMBERED:
            remembered.clear()
        remembered[data] = head
    return head


def refuse_early(data: bytes) -> None:
    """Raise BadAnswerError if `data`, the beginning of a head, can't become one, and StrayBytesError if it is none at all."""
    if not data[: len(START)].upper().startswith(START[: len(data)]):
        raise StrayBytesError(f"not an HTTP/1 answer: {data[:_SHOWN_BYTES]!r}")
    if len(data) > MAX_HEAD_BYTES:
        raise BadAnswerError(f"the head of the answer exceeds {MAX_HEAD_BYTES} bytes")
