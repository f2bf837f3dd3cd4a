"""What is done to a session's chunk before it is stored, and undone when it is read: gzip, then AES-256-GCM.

A chunk is sealed together with what else is known of it: its session, its number, its length and its SHA-256. Whoever opens it
has all of these verified at once, without unpacking: a chunk that was changed, or moved to another place, or whose row lies
about it does not decrypt.
"""

from __future__ import annotations

import gzip
import secrets
import zlib
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_CHUNK_BYTES = 1024 * 1024
"""The longest chunk, before compression."""
DIGEST_BYTES = 32
_GZIP_LEVEL = 6
_GZIP_FORMAT = 16 + zlib.MAX_WBITS  # zlib's way to say: the gzip format, with its check sum and its length
_NONCE_BYTES = 12  # 96 bits, the length GCM is made for; drawn at random, good for 2**32 chunks under one key
_TAG_BYTES = 16
SEALING_BYTES = _NONCE_BYTES + _TAG_BYTES
"""What encryption adds to a chunk."""


class CorruptChunkError(Exception):
    """A stored chunk is not what was stored, or not at the place where it was stored."""


class BadChunkError(Exception):
    """What a client sent is no chunk; says why."""


@dataclass(frozen=True, slots=True)
class PackedChunk:
    """A chunk ready to be sealed: in gzip, with the length and the SHA-256 of what the client recorded."""

    compressed: bytes
    raw_bytes: int
    digest: bytes

    @property
    def stored_bytes(self) -> int:
        """Its length once it is sealed."""
        return len(self.compressed) + SEALING_BYTES


def pack(raw: bytes) -> PackedChunk:
    """The chunk `raw`. Frees the interpreter lock for most of the time. Raises BadChunkError."""
    if not raw:
        raise BadChunkError("a chunk has at least one byte")
    return PackedChunk(gzip.compress(raw, _GZIP_LEVEL, mtime=0), len(raw), sha256(raw).digest())


def accept(compressed: bytes) -> PackedChunk:
    """The chunk that a client has compressed by itself: one member of gzip, whole, and nothing behind it.

    It is unpacked to be believed, and never beyond MAX_CHUNK_BYTES, whatever it would grow to. Raises BadChunkError.
    """
    unpacker = zlib.decompressobj(_GZIP_FORMAT)
    try:
        raw = unpacker.decompress(compressed, MAX_CHUNK_BYTES + 1)
    except zlib.error as error:
        raise BadChunkError(f"not gzip as Content-Encoding says: {error}") from None
    if len(raw) > MAX_CHUNK_BYTES:
        raise BadChunkError(f"chunk longer than {MAX_CHUNK_BYTES} bytes once unpacked")
    if not unpacker.eof:
        raise BadChunkError("gzip ends early")
    if unpacker.unused_data:
        raise BadChunkError("bytes behind the end of gzip")
    if not raw:
        raise BadChunkError("a chunk has at least one byte")
    return PackedChunk(compressed, len(raw), sha256(raw).digest())


def unpack(compressed: bytes) -> bytes:
    """The recorded bytes of a chunk that was opened."""
    return gzip.decompress(compressed)


def reduction(raw_bytes: int, stored_bytes: int) -> float | None:
    """The share of the size that was saved; negative when it grew, None where there is nothing to save of."""
    return round(1 - stored_bytes / raw_bytes, 4) if raw_bytes else None


class SessionCipher:
    """Seals and opens the chunks of one session under its own key of 32 bytes."""

    __slots__ = ("_aead", "_session_id")

    def __init__(self, key: bytes, session_id: str) -> None:
        self._aead = AESGCM(key)
        self._session_id = session_id

    def seal(self, chunk: PackedChunk, sequence: int) -> bytes:
        """Nonce, ciphertext and tag of a chunk."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        known = self._known(sequence, chunk.raw_bytes, chunk.digest)
        return nonce + self._aead.encrypt(nonce, chunk.compressed, known)

    def open(self, sealed: bytes, sequence: int, raw_bytes: int, digest: bytes) -> bytes:
        """The compressed chunk, verified to be the one sealed with these. Raises CorruptChunkError."""
        known = self._known(sequence, raw_bytes, digest)
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], known)
        except (InvalidTag, ValueError):
            raise CorruptChunkError(f"chunk {sequence} of session {self._session_id} fails authentication") from None

    def _known(self, sequence: int, raw_bytes: int, digest: bytes) -> bytes:
        # The digest comes last and by its fixed length, so that no two of these read alike.
        return f"{self._session_id}:{sequence}:{raw_bytes}:".encode() + digest
