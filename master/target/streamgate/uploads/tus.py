"""The words of tus 1.0.0, https://tus.io/protocols/resumable-upload: what its headers say. Pure."""

from __future__ import annotations

import binascii
import hashlib
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import NamedTuple

VERSION = "1.0.0"
EXTENSIONS = "creation,checksum,expiration,termination"
MEDIA_TYPE = "application/offset+octet-stream"
_MAX_PAIRS = 16


class BadHeaderError(Exception):
    """A header is not as tus defines it; says why."""


def _crc32(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "big")


_ALGORITHMS: Mapping[str, Callable[[bytes], bytes]] = {
    "sha1": lambda content: hashlib.sha1(content, usedforsecurity=False).digest(),  # each server must have it
    "sha256": lambda content: hashlib.sha256(content).digest(),
    "crc32": _crc32,
}
ALGORITHMS = ",".join(_ALGORITHMS)


class Checksum(NamedTuple):
    """What Upload-Checksum says of a request's body."""

    algorithm: str
    digest: bytes

    def matches(self, content: bytes) -> bool:
        """Whether it is that of `content`."""
        return _ALGORITHMS[self.algorithm](content) == self.digest


def parse_checksum(header: str) -> Checksum:
    """`sha256 q1bA…=`. Raises BadHeaderError."""
    algorithm, _, encoded = header.partition(" ")
    if algorithm not in _ALGORITHMS:
        raise BadHeaderError(f"Upload-Checksum: the algorithms are {ALGORITHMS}")
    return Checksum(algorithm, _decode("Upload-Checksum", encoded))


def parse_metadata(header: str) -> dict[str, str]:
    """`title VGl0bGU=,tags bmV3cw==`. Raises BadHeaderError."""
    found: dict[str, str] = {}
    if not header.strip():
        return found
    for pair in header.split(","):
        key, _, encoded = pair.strip().partition(" ")
        if not key or not key.isascii() or key in found:
            raise BadHeaderError("Upload-Metadata: a key is empty, not in ASCII, or there twice")
        if len(found) >= _MAX_PAIRS:
            raise BadHeaderError(f"Upload-Metadata: more than {_MAX_PAIRS} pairs")
        try:
            found[key] = _decode("Upload-Metadata", encoded).decode()
        except UnicodeDecodeError:
            raise BadHeaderError("Upload-Metadata: a value is no UTF-8") from None
    return found


def _decode(header: str, encoded: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise BadHeaderError(f"{header}: a value is no Base64") from None
