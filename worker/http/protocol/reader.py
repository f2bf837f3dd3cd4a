"""Reads answers off a connection: bytes go in, one answer comes out. Pure: no socket, no clock.

    head ──► body of known length ──┐
      │ ───► chunked body ──────────┼──► complete
      └────► body until the end ────┘

A head may be preceded by any of at most MAX_INTERIM interim ones (100 Continue, 103 Early Hints).
What follows a complete answer before the next request is a breach of the protocol: it is no part of the answer (RFC 9112
6.3), whether it comes with it or later, and the connection is not used again.
"""

from __future__ import annotations

from worker.http.protocol import response_head as heads
from worker.http.protocol.chunked import ChunkedBody
from worker.http.protocol.errors import BadAnswerError
from worker.http.protocol.response_head import BODILESS, END, MAX_HEAD_BYTES, Head, find_end

MAX_INTERIM = 16


class Reader:
    """The answer to one request at a time; `begin` starts the next.

    `head` is None until it is there; `complete` tells that the body is, too, and is in `body` as the server sent it;
    `reusable` then, whether the connection may carry another request.
    For a `streamed` answer the body is taken piece by piece instead.
    """

    __slots__ = (
        "_bodiless",
        "_chunks",
        "_followed",
        "_left",
        "_max_body",
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

    def __init__(self, max_body: int) -> None:
        """Bodies that are not streamed may have `max_body` bytes."""
        self._max_body = max_body
        self._plain = False
        self.reusable = False
        self.begin(bodiless=False, streamed=False)

    def begin(self, bodiless: bool, streamed: bool) -> None:
        """Expect an answer, without a body if it is `bodiless` (to HEAD)."""
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
        """Whether anything of the answer has come."""
        return self.head is not None or bool(self._partial.strip()) or self.interims > 0

    def feed(self, data: bytes) -> bool:
        """Take bytes from the server; True when there is something to hand on. Raises BadAnswerError."""
        if self.head is None:
            if self._plain:
                # What nearly always comes: one head, seen before, and the body that it announces, in one piece.
                end = data.find(END) + len(END)
                head = heads.remembered.get(data[:end])
                if head is not None and head.plain_length == len(data) - end <= self._max_body and not self._bodiless:
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
        """The server has closed: that completes a body of unknown length. Raises BadAnswerError if it ends anything else."""
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

    def take(self) -> bytes:
        """What has come of a streamed body since the last call."""
        if not self._pieces:
            return b""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken

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
            self.body = self.take()

    def _refuse_if_larger(self, size: int) -> None:
        if size > self._max_body and not self._streamed:
            raise BadAnswerError(
                f"the body exceeds {self._max_body} bytes; raise the user's max_body_bytes, or ask for it with stream=True"
            )


_LINE_ENDS = b"\r\n"


def _after_empty_line(data: bytes) -> int:
    """Where the head begins: some servers end a body with an empty line that is no part of it, and it may come late."""
    return 2 if data.startswith(b"\r\n") else 1 if data.startswith(b"\n") or data == b"\r" else 0
