"""Bodies in the chunked transfer coding (RFC 9112 7.1). No I/O.

    SIZE ──► DATA ──► DATA_END
     │ ▲                 │
     │ └─────────────────┘
     └─ size 0 ──► TRAILERS ──► DONE

What holds in every state:

- Only what stands in DATA is content. Extensions (7.1.1) and trailers (7.1.2) are checked and dropped, as a recipient that
  knows none of them may do: no trailer changes the head.
- A line ends with CRLF or with LF alone (2.2), as for curl. A CR that no LF follows is refused wherever it stands: recipients
  disagree about it (11.2). A client alone passes nothing on, so a bare LF can smuggle nothing past another recipient.
- Behind a chunk's data comes its line end, and nothing else: a size that lies is seen at the next byte.
- A body is complete with the empty line behind its last chunk, not before (8): a connection that ends earlier is a failure.
- Bytes that bring no content are limited in number, so that no server can keep a client busy with lines.
"""

from __future__ import annotations

import functools
import re
from enum import Enum
from typing import ClassVar

from worker.http.protocol.errors import BadAnswerError
from worker.http.protocol.response_head import MAX_HEAD_BYTES

_MAX_SIZE_DIGITS = 16  # hexadecimal ones, without leading zeros: 64 bits
_CHECKED_EARLY_BYTES = 32  # of a size line that has no end yet
_REMEMBERED_BYTES = 32  # of a size line; what a server makes up is not remembered
_SHOWN_BYTES = 20

# Spaces behind a size come from servers that pad it; curl takes them as well.
_size_line = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\r\0]*)?\r?").fullmatch
# A field, or what continues the one before (RFC 9112 5.2).
_trailer_line = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*:|[ \t])[^\r]*\r?").fullmatch


class _State(Enum):
    SIZE = 1
    DATA = 2
    DATA_END = 3
    TRAILERS = 4
    DONE = 5


_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = _State


class ChunkedBody:
    """A parser of one chunked body; its content goes to `pieces`, `read` counts the bytes of it."""

    __slots__ = ("_idle_bytes", "_left", "_partial", "_pieces", "_state", "excess", "read")

    def __init__(self, pieces: list[bytes]) -> None:
        self.read = 0
        self.excess = False
        """Whether more came than the body."""
        self._pieces = pieces
        self._state = _SIZE
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

    _STEPS: ClassVar = {_SIZE: _at_size, _DATA: _at_data, _DATA_END: _at_data_end, _TRAILERS: _at_trailers}


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
