"""Content of the catalogue's media, which is on no disk: byte p of the medium with seed s is byte (p + 65537 s) mod 1048573 of a block.

The block is the first 1048573 bytes, a prime number of them, of SHAKE-256 of "piswarm". Whoever knows the rule can check each
byte that is streamed.
"""

from __future__ import annotations

from functools import cache
from hashlib import shake_256

BLOCK_BYTES = 1_048_573
STRIDE_BYTES = 65_537


def generated(seed: int, start: int, end: int) -> memoryview:
    """The bytes from `start` to before `end`, at most a block of them. Without a copy."""
    at = (start + seed * STRIDE_BYTES) % BLOCK_BYTES
    return _twice()[at : at + end - start]


@cache
def _twice() -> memoryview:
    return memoryview(shake_256(b"piswarm").digest(BLOCK_BYTES) * 2)
