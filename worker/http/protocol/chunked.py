"""Bodies in the chunked transfer coding (RFC 9112 7.1). No I/O.

    START ─┬─ first line ends with CRLF ─► STRICT ──────────────────────────► DONE
           └─ with LF alone ─► SIZE ──► DATA ──► DATA_END            ┌──────► DONE
                                │ ▲                 │                │
                                │ └─────────────────┘                │
                                └─ size 0 ──────────────► TRAILERS ──┘

STRICT is httptools' parser, which takes chunks of one byte, as hostile servers send them, ten times as fast as Python can.
It refuses lines that end with LF alone; told to accept them, it would misread data that begin with a line feed. Servers that
end lines so do it from the first line on, and get the states behind SIZE.

What holds in every state:

- Only what stands in DATA is content. Extensions (7.1.1) and trailers (7.1.2) are checked and dropped, as a recipient that
  knows none of them may do: no trailer changes the head.
- A line ends with CRLF; where the first one does not, LF alone will do (2.2), as for curl. A CR that no LF follows is refused
  wherever it stands: recipients disagree about it (11.2). A client alone passes nothing on, so a bare LF can smuggle nothing
  past another recipient.
- Behind a chunk's data comes its line end, and nothing else: a size that lies is seen at the next byte.
- A body is complete with the empty line behind its last chunk, not before (8): a connection that ends earlier is a failure.
- Bytes that bring no content are limited in number, so that no server can keep a client busy with lines.
"""

from __future__ import annotations

import functools
import re
from enum import Enum
from typing import ClassVar

from httptools import HttpParserError, HttpResponseParser

from worker.http.protocol.errors import BadAnswerError
from worker.http.protocol.response_head import MAX_HEAD_BYTES

_MAX_SIZE_DIGITS = 16  # hexadecimal ones, without leading zeros: 64 bits
_CHECKED_EARLY_BYTES = 32  # of a size line that has no end yet
_REMEMBERED_BYTES = 32  # of a size line; what a server makes up is not remembered
_SHOWN_BYTES = 20
_CR = 0x0D

# Spaces behind a size come from servers that pad it; curl takes them as well.
_size_line = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\r\0]*)?\r?").fullmatch
# A field, or what continues the one before (RFC 9112 5.2).
_trailer_line = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*:|[ \t])[^\r]*\r?").fullmatch


# What curl takes as well, and nobody can misread: spaces behind a size, folded trailers.
_LENIENCIES = {"lenient_spaces_after_chunk_size": True, "lenient_headers": True}
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class _State(Enum):
    START = 0
    STRICT = 1
    SIZE = 2
    DATA = 3
    DATA_END = 4
    TRAILERS = 5
    DONE = 6


_START, _STRICT, _SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = _State


class _StrictCallbacks:
    """What httptools' parser calls; the content goes to `content`."""

    content: bytearray
    done = False

    def on_body(self, piece: bytes) -> None:
        self.content += piece

    def on_message_complete(self) -> None:
        self.done = True

    def on_message_begin(self) -> None:
        if self.done:
            raise ValueError


class ChunkedBody:
    """A parser of one chunked body; its content goes to `pieces`, `read` counts the bytes of it."""

    __slots__ = ("_callbacks", "_idle_bytes", "_left", "_parser", "_partial", "_pieces", "_state", "excess", "read")

    def __init__(self, pieces: list[bytes]) -> None:
        self.read = 0
        self.excess = False
        """Whether more came than the body."""
        self._pieces = pieces
        self._state = _START
        self._left = 0  # bytes of the chunk under way that have not come yet
        self._partial = b""  # a line, or a line end, that is not complete
        self._idle_bytes = 0  # that have come since the last content

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body; True when it is complete. Raises BadAnswerError."""
        content = bytearray()  # chunks may be of one byte each: a list of them would take forty times their size
        rest = self._parse(self._partial + data if self._partial else data, content)
        if content:
            self.read += len(content)
            self._pieces.append(bytes(content))
            self._idle_bytes = 0
        else:
            self._idle_bytes += len(data)
            if self._idle_bytes > MAX_HEAD_BYTES:
                raise BadAnswerError(f"more than {MAX_HEAD_BYTES} bytes of chunked encoding without any body")
        if self._state is not _DONE:
            self._partial = rest
            return False
        # Some servers end a body with another empty line, which harms nobody.
        self.excess = self.excess or bool(rest and rest.strip(b"\r\n"))
        return True

    def _parse(self, data: bytes, content: bytearray) -> bytes:
        """Go through `data` as far as it can be understood; what is left of it waits for more."""
        at = 0
        while at < len(data) and self._state is not _DONE:
            before = at
            at = self._STEPS[self._state](self, data, at, content)
            if at == before:
                break
        return data[at:]

    # Each step takes what stands at `at` of `data`, and returns where it ends; `at` itself, if that is not told yet.

    def _at_start(self, data: bytes, at: int, content: bytearray) -> int:
        end = data.find(b"\n", at)
        if end > at and data[end - 1] == _CR:
            self._callbacks = _StrictCallbacks()
            self._parser = HttpResponseParser(self._callbacks)
            self._parser.set_dangerous_leniencies(**_LENIENCIES)
            self._parser.feed_data(_CHUNKED_HEAD)
            self._state = _STRICT
            return self._at_strict(data, at, content)
        if end >= 0:
            self._state = _SIZE
        return self._at_size(data, at, content)

    def _at_strict(self, data: bytes, at: int, content: bytearray) -> int:
        self._callbacks.content = content
        try:
            self._parser.feed_data(data[at:])
        except HttpParserError as error:
            if not self._callbacks.done:
                raise BadAnswerError(f"invalid chunked body ({error})") from None
            self.excess = True
        if self._callbacks.done:
            self._state = _DONE
        return len(data)

    def _at_size(self, data: bytes, at: int, content: bytearray) -> int:
        while (end := data.find(b"\n", at)) >= 0:
            line = data[at:end]
            size = _size(line) if len(line) <= _REMEMBERED_BYTES else _size.__wrapped__(line)
            at = end + 1
            if not size:
                self._state = _TRAILERS
                return at
            end = at + size
            if data[end : end + 2] != b"\r\n":
                self._left = size
                self._state = _DATA
                return at
            content += data[at:end]  # nearly always: a whole chunk
            at = end + 2
        if at < len(data):
            _size.__wrapped__(data[at : at + _CHECKED_EARLY_BYTES])  # what is none is refused before its line ends
        return at

    def _at_data(self, data: bytes, at: int, content: bytearray) -> int:
        piece = data[at : at + self._left]
        content += piece
        self._left -= len(piece)
        if not self._left:
            self._state = _DATA_END
        return at + len(piece)

    def _at_data_end(self, data: bytes, at: int, _content: bytearray) -> int:
        if data.startswith((b"\r\n", b"\n"), at):
            self._state = _SIZE
            return data.index(b"\n", at) + 1
        if data[at:] != b"\r":
            raise BadAnswerError("invalid chunked body (no line end behind a chunk's data)")
        return at

    def _at_trailers(self, data: bytes, at: int, _content: bytearray) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            return at
        line = data[at:end]
        if line in {b"", b"\r"}:
            self._state = _DONE
        elif _trailer_line(line) is None:
            raise BadAnswerError(f"invalid chunked body (not a trailer: {line[:_SHOWN_BYTES]!r})")
        return end + 1

    _STEPS: ClassVar = {
        _START: _at_start,
        _STRICT: _at_strict,
        _SIZE: _at_size,
        _DATA: _at_data,
        _DATA_END: _at_data_end,
        _TRAILERS: _at_trailers,
    }


@functools.lru_cache(maxsize=1024)
def _size(line: bytes) -> int:
    """The size that a chunk's first line announces. Raises BadAnswerError."""
    found = _size_line(line)
    if found is None:
        raise BadAnswerError(f"invalid chunked body (not a chunk size: {line[:_SHOWN_BYTES]!r})")
    digits = found[1]
    if len(digits) > _MAX_SIZE_DIGITS and len(digits.lstrip(b"0")) > _MAX_SIZE_DIGITS:
        raise BadAnswerError("invalid chunked body (Chunk size overflow)")
    return int(digits, 16)
