"""Content codings: gzip, deflate and brotli (RFC 9110 8.4.1). No I/O.

The last coding that was applied is undone first (8.4). What comes out is bounded, so that a small response can't become a
large one unasked; a body that ends within a coding is a failure, as is anything behind its end.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import brotli

from worker.http.protocol.errors import BadAnswerError

ACCEPTED = "gzip, deflate, br"
_MAX_ENCODINGS = 3
_MAX_MEMBERS = 1000  # of one gzip body
_WINDOW_BYTES = 64 * 1024


class _Decoder(Protocol):
    def feed(self, data: bytes) -> bytes: ...
    def finish(self) -> None: ...


class Decoding:
    """Undoes `encodings`, a value of Content-Encoding, piece by piece. Raises BadAnswerError, also for unknown codings."""

    def __init__(self, encodings: bytes, limit: int) -> None:
        """`limit`: how many bytes one call of `feed` yields at most."""
        names = [name.strip() for name in encodings.split(b",") if name.strip()]
        if len(names) > _MAX_ENCODINGS:
            raise BadAnswerError(f"{len(names)} content encodings on top of each other")
        self._decoders: list[_Decoder] = [_decoder(name, limit) for name in reversed(names)]
        self._empty = True

    def feed(self, data: bytes) -> bytes:
        """The decoded form of the next bytes."""
        if data:
            self._empty = False
        for decoder in self._decoders:
            data = decoder.feed(data)
        return data

    def finish(self) -> None:
        """The body is at its end. Raises BadAnswerError if an encoding is not."""
        if self._empty:
            return  # servers send Content-Encoding with empty bodies, too
        for decoder in self._decoders:
            decoder.finish()


def decode(body: bytes, encodings: bytes, limit: int) -> bytes:
    """The whole `body` decoded. Raises BadAnswerError if it is damaged, or larger than `limit` bytes."""
    decoding = Decoding(encodings, limit)
    decoded = decoding.feed(body)
    decoding.finish()
    return decoded


def _decoder(name: bytes, limit: int) -> _Decoder:
    match name:
        case b"gzip" | b"x-gzip":
            return _Zlib("gzip", 16 + zlib.MAX_WBITS, limit)
        case b"deflate":
            return _Zlib("deflate", None, limit)
        case b"br":
            return _Brotli(limit)
        case _:
            shown = name[:40].decode("latin-1")
            raise BadAnswerError(f"the body has the unknown content encoding {shown!r}; asked for was {ACCEPTED}")


def _too_large(name: str, limit: int) -> BadAnswerError:
    return BadAnswerError(
        f"the {name} body unpacks to more than {limit} bytes; raise the user's max_body_bytes if that is meant to be"
    )


class _Zlib:
    """gzip, of one member or several (RFC 1952 2.2), and deflate with zlib's header and without (RFC 9110 8.4.1.2)."""

    def __init__(self, name: str, window_bits: int | None, limit: int) -> None:
        """`window_bits` None: told by the first two bytes."""
        self._name = name
        self._window_bits = window_bits
        self._limit = limit
        self._inflate = None if window_bits is None else zlib.decompressobj(window_bits)
        self._held = b""
        self._members = 1

    def feed(self, data: bytes) -> bytes:
        if self._window_bits is None:
            self._held += data
            if len(self._held) < _ZLIB_HEADER_BYTES:
                return b""
            data = self._held
            self._window_bits = zlib.MAX_WBITS if _has_zlib_header(data) else -zlib.MAX_WBITS
        pieces: list[bytes] = []
        size = 0
        # In windows, since the library copies all that follows a member.
        windows = [data[start : start + _WINDOW_BYTES] for start in range(0, len(data), _WINDOW_BYTES)][::-1]
        while windows:
            data = windows.pop()
            if self._inflate is None or self._inflate.eof:
                self._members += 1
                if self._members > _MAX_MEMBERS:
                    raise BadAnswerError(f"the {self._name} body has more than {_MAX_MEMBERS} members")
                self._inflate = zlib.decompressobj(self._window_bits)
            try:
                piece = self._inflate.decompress(data, self._limit + 1 - size)
            except zlib.error as error:
                raise BadAnswerError(f"the {self._name} body is damaged ({error})") from None
            pieces.append(piece)
            size += len(piece)
            if size > self._limit:
                raise _too_large(self._name, self._limit)
            if self._inflate.eof and self._inflate.unused_data:
                windows.append(self._inflate.unused_data)
        return b"".join(pieces)

    def finish(self) -> None:
        if self._inflate is None or not self._inflate.eof:
            raise BadAnswerError(f"the {self._name} body ends too early")


_ZLIB_HEADER_BYTES = 2


def _has_zlib_header(data: bytes) -> bool:
    """RFC 1950 2.2: the method deflate in the first byte, and both a multiple of 31."""
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


class _Brotli:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._decompressor = brotli.Decompressor()

    def feed(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            try:
                # The library rounds the buffer up to its own blocks: ask for little at a time, and count.
                piece = self._decompressor.process(data, output_buffer_limit=1 << 20)
            except brotli.error as error:
                raise BadAnswerError(f"the br body is damaged ({error})") from None
            data = b""
            pieces.append(piece)
            size += len(piece)
            if size > self._limit:
                raise _too_large("br", self._limit)
            if self._decompressor.can_accept_more_data() or self._decompressor.is_finished():
                return b"".join(pieces)

    def finish(self) -> None:
        if not self._decompressor.is_finished():
            raise BadAnswerError("the br body ends too early")
