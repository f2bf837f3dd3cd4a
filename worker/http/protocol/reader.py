"""Parser of responses on one connection: bytes in, one response at a time out. No socket, no clock.

Theory of operation. `begin` expects the response to one request; `feed` takes what the server sends, in any pieces; `end`
says that the server has closed. HTTP/1.1 pairs responses with requests by their order alone (RFC 9112 9.2), so the reader
has no more than one response under way:

    begin ─► HEAD ─┬─ status 1xx ──────────────► HEAD      (interim, RFC 9110 15.2; nobody asked for 101, 7.8)
                   ├─ to HEAD, or 204, 304 ────► COMPLETE  (no content, whatever the header says)
                   ├─ Transfer-Encoding ───────► CHUNKED ── last chunk and trailers ─► COMPLETE
                   ├─ Content-Length ──────────► COUNTED ── so many bytes ───────────► COMPLETE
                   └─ neither ─────────────────► OPEN ───── end ─────────────────────► COMPLETE

which is the order of precedence of RFC 9112 6.3. `end` in any state but OPEN and COMPLETE is a failure (8): a response that
is cut off never passes for a shorter one.

Invariants:

- A response means the same however its bytes are cut into pieces. The short cut in `feed` for a known head and its body in
  one piece yields what the long way would.
- Between two calls of `begin`, `head` is set once and `complete` goes from False to True once; `body` is whole then. Of a
  `streamed` response only what came in one piece with its head is in `body`; the rest is in what `pop_content` returns, each byte once.
- `reusable` is True only when the response is complete, the server keeps the connection (9.3), the body's end was told by
  its framing and not by the end of the connection, and nothing came behind it but an empty line behind chunks. Bytes behind
  a complete response are no part of it and no response to anything (6.3), whether they come with it or later.
- What is held is bounded: a head by MAX_HEAD_BYTES, interim heads by MAX_INTERIM, a body by `max_body_bytes` unless `streamed`.
- Where the end of a body can be understood in two ways, BadAnswerError is raised (11.2); see protocol.lenient for what is
  tolerated elsewhere.
"""

from __future__ import annotations

from worker.http.protocol import response_head as heads
from worker.http.protocol.chunked import ChunkedBody
from worker.http.protocol.errors import BadAnswerError
from worker.http.protocol.response_head import BODILESS, END, MAX_HEAD_BYTES, Head, find_end

MAX_INTERIM = 16


class Reader:
    """The response to one request at a time; the module says what holds of `head`, `body`, `complete` and `reusable`."""

    __slots__ = (
        "_bodiless",
        "_chunks",
        "_followed",
        "_left",
        "_max_body_bytes",
        "_partial",
        "_pieces",
        "_plain",
        "_read",
        "_streamed",
        "body",
        "complete",
        "head",
        "interims",
        "reusable",
    )

    def __init__(self, max_body_bytes: int) -> None:
        """`max_body_bytes` limits the bytes of a body that is not streamed."""
        self._max_body_bytes = max_body_bytes
        self._plain = False
        self.reusable = False
        self.begin(bodiless=False, streamed=False)

    def begin(self, bodiless: bool, streamed: bool) -> None:
        """Expect a response; a `bodiless` one, to HEAD, has a header for content that does not come (RFC 9110 9.3.2)."""
        self.head: Head | None = None
        self.body = b""
        self.complete = False
        self._followed = self.reusable
        self.reusable = False
        self._bodiless = bodiless
        self._streamed = streamed
        if self._plain:
            return  # nothing else was touched
        self._plain = True
        self.interims = 0
        self._partial = b""
        self._left: int | None = None
        self._chunks: ChunkedBody | None = None
        self._pieces: list[bytes] | None = None
        self._read = 0

    @property
    def _ends_with_connection(self) -> bool:
        return self._left is None and self._chunks is None

    @property
    def begun(self) -> bool:
        """Whether anything of the response has come."""
        return self.head is not None or bool(self._partial.strip()) or self.interims > 0

    def feed(self, data: bytes) -> bool:
        """Take bytes from the server; True when the response is complete, or a streamed one has more. Raises BadAnswerError."""
        if self.head is None:
            if self._plain:
                # What nearly always comes: one head, seen before, and the body that it announces, in one piece.
                end = data.find(END) + len(END)
                head = heads.remembered.get(data[:end])
                if (
                    head is not None
                    and head.plain_length == len(data) - end <= self._max_body_bytes
                    and not self._bodiless
                ):
                    self.head = head
                    self.body = data[end:]
                    self.complete = True
                    self.reusable = head.keep_alive
                    return True
                self._plain = False
            return self._feed_head(self._partial + data if self._partial else data)
        self._feed_body(data)
        return self.complete or self._streamed

    def end(self) -> None:
        """The server has closed, which completes a body of unknown length. Raises BadAnswerError in any other state (RFC 9112 8)."""
        if self.head is None:
            raise BadAnswerError(
                "the server closed the connection within the head"
                if self.begun
                else "the server closed without an answer"
            )
        if self._left is not None:
            raise BadAnswerError("the server closed before the announced end of the body")
        if self._chunks is not None:
            raise BadAnswerError("the server closed within a chunked body")
        self._finish()

    def pop_content(self) -> bytes:
        """The content of a streamed body that has come since the last call."""
        if not self._pieces:
            return b""
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content

    def _feed_head(self, data: bytes) -> bool:
        start = _after_empty_line(data) if self._followed and data[0] in _LINE_ENDS else 0
        found = find_end(data, max(start, len(self._partial) - 2))
        if found is None or found.end() > MAX_HEAD_BYTES:
            heads.refuse_early(data[start:])
            self._partial = data
            return False
        end = found.end()
        text = data[start:end]
        if not text.startswith(heads.START):
            heads.refuse_early(text)
        head = heads.remembered.get(text) or heads.parse(text)
        status = head.status
        if status < 200:
            return self._pass_interim(status, data[end:])
        self.head = head
        rest = data[end:]
        length = head.length
        if self._bodiless or status in BODILESS:
            length = 0
        elif head.chunked:
            self._pieces = []
            self._chunks = ChunkedBody(self._pieces)
            length = None
        if length is not None:
            self._refuse_if_larger(length)
        if length is not None and len(rest) >= length:
            self._left = 0
            self.body = rest[:length]
            self.complete = True
            self.reusable = head.keep_alive and len(rest) == length
            return True
        self._left = length
        if self._pieces is None:
            self._pieces = []
        if rest:
            self._feed_body(rest)
        return self.complete or self._streamed

    def _pass_interim(self, status: int, rest: bytes) -> bool:
        if status == 101:
            raise BadAnswerError("the server switched to another protocol, which nobody asked for")
        self.interims += 1
        if self.interims > MAX_INTERIM:
            raise BadAnswerError(f"more than {MAX_INTERIM} interim answers before the answer")
        self._partial = b""
        return self._feed_head(rest) if rest else False

    def _feed_body(self, data: bytes) -> None:
        excess = False
        if self._chunks is not None:
            done = self._chunks.feed(data)
            excess = self._chunks.excess
            self._read = self._chunks.read
        else:
            done = False
            if self._left is not None:
                excess = len(data) > self._left
                data = data[: self._left]
                self._left -= len(data)
                done = self._left == 0
            self._read += len(data)
            assert self._pieces is not None
            self._pieces.append(data)
        self._refuse_if_larger(self._read)
        if done:
            self._finish()
            self.reusable = self.reusable and not excess

    def _finish(self) -> None:
        self.complete = True
        self.reusable = self.head is not None and self.head.keep_alive and not self._ends_with_connection
        if not self._streamed:
            self.body = self.pop_content()

    def _refuse_if_larger(self, size: int) -> None:
        if size > self._max_body_bytes and not self._streamed:
            raise BadAnswerError(
                f"the body exceeds {self._max_body_bytes} bytes; raise the user's max_body_bytes, or ask for it with stream=True"
            )


_LINE_ENDS = b"\r\n"


def _after_empty_line(data: bytes) -> int:
    """Where the head begins behind an empty line that ended the body before it.

    RFC 9112 2.2 knows this of old clients, and tells servers to ignore it; there are servers that do the same.
    """
    return 2 if data.startswith(b"\r\n") else 1 if data.startswith(b"\n") or data == b"\r" else 0
