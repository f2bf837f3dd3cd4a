"""Ed25519 keys of validators and of the gateway."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_BYTES = 64


class SigningKey:
    """A private key, made from `seed` (32 bytes) or anew."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._key = Ed25519PrivateKey.generate() if seed is None else Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    @property
    def seed(self) -> bytes:
        """What the key can be made from again; secret."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`; 20 µs."""
        return self._key.sign(message)


def is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of `public_key` has signed `message`; 65 µs, where the signature is not wrong at sight."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
