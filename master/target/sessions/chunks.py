"""What is done to a session's chunk before it is stored, and undone when it is read: gzip, then AES-256-GCM."""

from __future__ import annotations

import gzip
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_GZIP_LEVEL = 6
_NONCE_BYTES = 12  # 96 bits, the length GCM is made for; drawn at random, good for 2**32 chunks under one key


class CorruptChunkError(Exception):
    """A stored chunk is not what was stored, or not at the place where it was stored."""


def compress(raw: bytes) -> bytes:
    """`raw` in gzip. Frees the interpreter lock."""
    return gzip.compress(raw, _GZIP_LEVEL, mtime=0)


def decompress(compressed: bytes) -> bytes:
    """The inverse of `compress`."""
    return gzip.decompress(compressed)


def reduction(raw_bytes: int, stored_bytes: int) -> float:
    """The share of the size that was saved; negative when the chunk grew."""
    return round(1 - stored_bytes / raw_bytes, 4)


class ChunkCipher:
    """Encrypts chunks under a key that is made here and never leaves the process.

    The session and the sequence number are authenticated with the chunk: one moved to another place does not decrypt.
    """

    def __init__(self) -> None:
        self._aead = AESGCM(secrets.token_bytes(32))

    def seal(self, compressed: bytes, session_id: str, sequence: int) -> bytes:
        """Nonce, ciphertext and tag of a chunk."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, compressed, _place(session_id, sequence))

    def open(self, sealed: bytes, session_id: str, sequence: int) -> bytes:
        """The inverse of `seal`. Raises CorruptChunkError."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _place(session_id, sequence))
        except (InvalidTag, ValueError):
            raise CorruptChunkError(f"chunk {sequence} of session {session_id} fails authentication") from None


def _place(session_id: str, sequence: int) -> bytes:
    return f"{session_id}:{sequence}".encode()
