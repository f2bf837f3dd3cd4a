"""Bodies in the chunked transfer coding (RFC 9112 7.1). No I/O."""

from __future__ import annotations

from httptools import HttpParserError, HttpResponseParser

from worker.http.protocol.errors import BadAnswerError
from worker.http.protocol.response_head import MAX_HEAD_BYTES

# What curl takes as well, and nobody can misread: spaces behind a size, folded trailers.
_LENIENCIES = {"lenient_spaces_after_chunk_size": True, "lenient_headers": True}
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class ChunkedBody:
    """A chunked body, through httptools' parser; pieces go to `pieces`, `read` counts their bytes."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.read = 0
        self.excess = False
        """Whether more came than the body."""
        self._pieces = pieces
        self._fed = bytearray()  # chunks may be of one byte each: a list of them would take forty times their size
        self._done = False
        self._idle_bytes = 0
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**_LENIENCIES)
        self._parser.feed_data(_CHUNKED_HEAD)

    def on_body(self, piece: bytes) -> None:
        self._fed += piece

    def on_message_complete(self) -> None:
        self._done = True

    def on_message_begin(self) -> None:
        if self._done:
            raise ValueError

    def feed(self, data: bytes) -> bool:
        """True when the body is complete. Raises BadAnswerError."""
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            if not self._done:
                raise BadAnswerError(f"invalid chunked body ({error})") from None
            self.excess = True
        # Chunk sizes, extensions and trailers may not go on for ever either.
        self._idle_bytes = 0 if self._fed else self._idle_bytes + len(data)
        if self._fed:
            self.read += len(self._fed)
            self._pieces.append(bytes(self._fed))
            self._fed.clear()
        if self._idle_bytes > MAX_HEAD_BYTES:
            raise BadAnswerError(f"more than {MAX_HEAD_BYTES} bytes of chunked encoding without any body")
        return self._done
