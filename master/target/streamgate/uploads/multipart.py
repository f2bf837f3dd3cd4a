"""Reads a form with a file, multipart/form-data (RFC 7578), by python-multipart. Pure: pieces of the body go in, a form comes out.

Starlette's own form goes by temporary files and threads, which cost more than a small upload does.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

# It warns of what is no form; whoever sent it is told, and could fill the log.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

MEDIA_TYPE = "multipart/form-data"
MAX_FILE_BYTES = 8 * 1024 * 1024
"""Of the file: it is kept in memory until it is whole. Larger ones go by tus."""
MAX_FORM_BYTES = MAX_FILE_BYTES + 64 * 1024
_MAX_FIELD_BYTES = 4096
_FILE = "file"
_FIELDS = {"title", "tags"}


class BadFormError(Exception):
    """The body is no such form; says why."""


class TooLargeFileError(Exception):
    """The file is longer than MAX_FILE_BYTES."""


class UploadForm:
    """A form with one `file`, and `title` and `tags` where they are given. Feed it, then `finish`."""

    def __init__(self, content_type: str) -> None:
        """Raises BadFormError without a boundary."""
        self.fields: dict[str, str] = {}
        """Those that are whole; `filename` is the file's own."""
        self._content: list[bytes] | None = None
        self._content_bytes = 0
        self._sha256 = sha256()
        self._name: str | None = None
        self._value = bytearray()
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._ended = False
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise BadFormError("Content-Type names no boundary")
        callbacks: Any = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise BadFormError(str(error)) from None

    def feed(self, piece: bytes) -> None:
        """The next piece of the body. Raises BadFormError and TooLargeFileError."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise BadFormError(str(error)) from None

    @property
    def sha256(self) -> str:
        """Of the file as far as it has come, in hexadecimal."""
        return self._sha256.hexdigest()

    def finish(self) -> bytes:
        """The body has ended: the file's content. Raises BadFormError if the form has not, or has no file."""
        if not self._ended:
            raise BadFormError("the body ends before the form")
        if self._content is None:
            raise BadFormError(f"the form has no {_FILE}")
        return b"".join(self._content)

    def _begin_part(self) -> None:
        self._name, self._disposition = None, b""
        self._value.clear()

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        kind, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or name not in {_FILE, *_FIELDS}:
            raise BadFormError(f"a part is none of {_FILE}, {', '.join(sorted(_FIELDS))}")
        if name in self.fields or (name == _FILE and self._content is not None):
            raise BadFormError(f"{name} is there twice")
        self._name = name
        if name == _FILE:
            self._content = []
            self.fields["filename"] = _text(options.get(b"filename", b""))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._name != _FILE:
            self._value += data[start:end]
            if len(self._value) > _MAX_FIELD_BYTES:
                raise BadFormError(f"{self._name} is longer than {_MAX_FIELD_BYTES} bytes")
            return
        assert self._content is not None
        piece = data[start:end]
        self._content.append(piece)
        self._sha256.update(piece)
        self._content_bytes += len(piece)
        if self._content_bytes > MAX_FILE_BYTES:
            raise TooLargeFileError

    def _end_part(self) -> None:
        if self._name is not None and self._name != _FILE:
            self.fields[self._name] = _text(bytes(self._value))

    def _end(self) -> None:
        self._ended = True


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadFormError("a field is no UTF-8") from None
