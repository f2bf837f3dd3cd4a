"""The client's side of a resumable upload by tus 1.0.0 (https://tus.io/protocols/resumable-upload). No I/O.

    created ──next_chunk──► accept_chunk ─┬─► … ─► is_complete
                  ▲             │ 409     │
                  │             ▼         │ lose: the connection broke off
       accept_offset ◄──── offset unknown ◄┘

Invariant: `offset_bytes` is what the server has said that it has, and never more than was sent.

tuspy, tus's own client for Python, brings requests and aiohttp, whose connections are measured by nobody here.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from worker.users.streamgate.answer import Answer, WrongReplyError, identifier

VERSION = "1.0.0"
COLLECTION = "/uploads"
CHUNK_TYPE = "application/offset+octet-stream"
HEADERS: Mapping[str, str] = {"Tus-Resumable": VERSION}
"""Of every request."""


def metadata(fields: Mapping[str, str]) -> str:
    """The value of Upload-Metadata: names without spaces and commas, values in base64."""
    return ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in fields.items())


class TusUpload:
    """One upload of `content`."""

    def __init__(self, content: bytes, fields: Mapping[str, str]) -> None:
        self.content = content
        self._fields = fields
        self.path = ""
        """The path of the upload, once it is created."""
        self.offset_bytes = 0
        self.offset_is_known = True
        self._unconfirmed_bytes = (
            0  # sent beyond the offset on a connection that broke off; the server has any part of them
        )
        self._conflicted = False

    @property
    def is_complete(self) -> bool:
        """Whether the server has said that it has everything."""
        return self.offset_is_known and self.offset_bytes == len(self.content)

    @property
    def is_certain(self) -> bool:
        """Whether the server has nothing beyond what it has said."""
        return not self._unconfirmed_bytes

    def creation_headers(self) -> dict[str, str]:
        """Header fields of the request that creates it (creation extension)."""
        return {**HEADERS, "Upload-Length": str(len(self.content)), "Upload-Metadata": metadata(self._fields)}

    def accept_creation(self, answer: Answer) -> None:
        """Take note of where it is. Raises WrongReplyError."""
        _require(answer, 201)
        # Only the path is used: chunks and the token go to the target and nowhere else.
        try:
            collection, _, name = urlsplit(answer.header("Location") or "").path.rpartition("/")
        except ValueError:
            raise WrongReplyError("Location is no URL") from None
        if collection != COLLECTION:
            raise WrongReplyError("Location is missing or no upload")
        self.path = f"{COLLECTION}/{identifier(name)}"

    def next_chunk(self, size_bytes: int, *, checksum: bool = True) -> tuple[dict[str, str], bytes]:
        """Header fields and body of the request with the next chunk, of at most `size_bytes`."""
        body = self.content[self.offset_bytes : self.offset_bytes + size_bytes]
        headers = {**HEADERS, "Content-Type": CHUNK_TYPE, "Upload-Offset": str(self.offset_bytes)}
        if checksum:
            headers["Upload-Checksum"] = f"sha256 {b64encode(sha256(body).digest()).decode()}"
        return headers, body

    def accept_chunk(self, answer: Answer, sent_bytes: int) -> None:
        """Take note that a chunk of `sent_bytes` was stored. Raises WrongReplyError.

        After a connection that broke off, the server may have read more of it after it told the offset. It then answers 409,
        once for each that broke off, and is asked again.
        """
        if self._unconfirmed_bytes and not self._conflicted and answer.status == 409:
            self._conflicted, self.offset_is_known = True, False
            return
        _require(answer, 204)
        if answer.number("Upload-Offset") != self.offset_bytes + sent_bytes:
            raise WrongReplyError("Upload-Offset is not what was sent")
        self.offset_bytes += sent_bytes
        self._unconfirmed_bytes, self._conflicted = 0, False

    def lose(self, sent_bytes: int) -> None:
        """Take note that the connection broke off after so many bytes of a chunk, of which the server may have any part."""
        self.offset_is_known = self._conflicted = False
        self._unconfirmed_bytes = max(self._unconfirmed_bytes, sent_bytes)

    def accept_offset(self, answer: Answer) -> None:
        """Take note of what the server has, as it answered HEAD. Raises WrongReplyError."""
        _require(answer, 200)
        answer.require_header("Cache-Control", "no-store")
        found = answer.number("Upload-Offset")
        if answer.number("Upload-Length") != len(self.content):
            raise WrongReplyError("Upload-Length contradicts the creation")
        if not self.offset_bytes <= found <= self.offset_bytes + self._unconfirmed_bytes:
            raise WrongReplyError("Upload-Offset is less than was stored, or more than was sent")
        self._unconfirmed_bytes -= found - self.offset_bytes
        self.offset_bytes, self.offset_is_known = found, True


def _require(answer: Answer, status: int) -> None:
    answer.require_status(status)
    answer.require_header("Tus-Resumable", VERSION)
