"""Puts the body of a request into bytes: JSON, forms, multipart (RFC 7578), files. No I/O but reading the files to be sent.

A body whose size is known is announced with Content-Length, any other is sent in chunks (RFC 9112 6.1, 6.2), never both.
"""

from __future__ import annotations

import io
import json as standard_json
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from urllib3.filepost import encode_multipart_formdata

from worker.http.protocol.request_head import pairs

_PIECE_BYTES = 64 * 1024


class Body(NamedTuple):
    """The body of a request: `content` in whole, or an `upload` to read from; `content_type` unless the task names one."""

    content: bytes = b""
    upload: Upload | None = None
    content_type: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The header fields that describe it, apart from its length."""
        if self.content_type is None:
            return {}
        accept = {"Accept": JSON} if self.content_type == JSON else {}
        return {"Content-Type": self.content_type, **accept}


JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"


def encode_body(data: Any, json: Any, files: Any) -> Body:
    """The body for what a user gave: text, bytes, a form (mapping or pairs), a file, pieces of bytes, or JSON; or files."""
    match data:
        case _ if files:
            content, content_type = encode_multipart_formdata(_parts(data, files))
            body = Body(content, content_type=content_type)
        case _ if not data:
            body = Body() if json is None else Body(encode_json(json), content_type=JSON)
        case str():
            body = Body(data.encode(), content_type=TEXT)
        case bytes() | bytearray() | memoryview():
            body = Body(bytes(data), content_type=_BYTES)
        case Mapping() | [[_, _], *_]:
            body = Body(urlencode(data, doseq=True).encode(), content_type=_FORM)
        case _:
            body = Body(upload=Upload(data), content_type=_BYTES)
    return body


def encode_json(value: Any) -> bytes:
    """`value` as compact JSON. What msgspec refuses and the standard library takes is left to that. Raises TypeError, ValueError."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError):
        return standard_json.dumps(value).encode()


def _parts(data: Any, files: Any) -> list[tuple[str, Any]]:
    """Form fields and files as urllib3 takes them: (name, value) or (name, (file name, bytes[, content type]))."""
    parts: list[tuple[str, Any]] = []
    for name, value in pairs(data or {}):
        each = value if isinstance(value, (list, tuple)) else [value]
        parts += [(name, one if isinstance(one, bytes) else str(one)) for one in each]
    for name, given in pairs(files):
        file_name, content, *content_type = (
            given if isinstance(given, (list, tuple)) else (_file_name(given, name), given)
        )
        if hasattr(content, "read"):
            content = content.read()
        parts.append((name, (file_name, content, *content_type[:1])))
    return parts


def _file_name(file: Any, otherwise: str) -> str:
    name = getattr(file, "name", None)
    return PurePath(name).name if isinstance(name, str) and not name.startswith("<") else otherwise


class Upload:
    """A body that is read while it is sent: a file, or an iterable of bytes. `size` is in bytes, None if it is not known."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self._start = source.tell() if _is_seekable(source) else None
        self.size: int | None = None
        if self._start is not None:
            self.size = source.seek(0, io.SEEK_END) - self._start
            source.seek(self._start)
        self.headers = {"Transfer-Encoding": "chunked"} if self.size is None else {"Content-Length": str(self.size)}

    @property
    def repeatable(self) -> bool:
        """Whether it can be read once more from its beginning, for a retry or a redirect (RFC 9110 9.2.2)."""
        return self._start is not None

    def pieces(self) -> Iterator[bytes]:
        """The body as it goes over the wire, in chunks if its size is not known (RFC 9112 7.1)."""
        if self._start is not None:
            self.source.seek(self._start)
        for piece in self._read():
            data = piece.encode() if isinstance(piece, str) else bytes(memoryview(piece))
            if self.size is not None:
                yield data
            elif data:
                yield b"%x\r\n%b\r\n" % (len(data), data)
        if self.size is None:
            yield b"0\r\n\r\n"

    def _read(self) -> Iterator[Any]:
        if not hasattr(self.source, "read"):
            yield from self.source
            return
        while piece := self.source.read(_PIECE_BYTES):
            yield piece


def _is_seekable(source: Any) -> bool:
    # A file opened as text counts characters, not bytes.
    return hasattr(source, "read") and not isinstance(source, io.TextIOBase) and getattr(source, "seekable", bool)()
