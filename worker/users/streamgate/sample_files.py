"""Files to be uploaded: no two alike, yet cheap to make."""

from __future__ import annotations

from functools import cache
from random import Random

_STOCK_BYTES = 256 * 1024
_MARK_BYTES = 16
_WORDS = ("harbour", "forest", "river", "market", "winter", "orchestra", "bicycle", "lighthouse", "garden", "desert")


def make_file(random: Random, least_bytes: int, most_bytes: int) -> bytes:
    """Bytes that do not compress: a mark that is this file's own, then a stretch of a stock that all files share."""
    size = random.randint(max(least_bytes, _MARK_BYTES), most_bytes) - _MARK_BYTES
    start = random.randrange(_STOCK_BYTES - size)
    return random.randbytes(_MARK_BYTES) + _stock()[start : start + size]


def make_title(random: Random) -> str:
    """Words, and a number that hardly comes twice."""
    return f"{random.choice(_WORDS)} {random.choice(_WORDS)} {random.getrandbits(40):010x}"


@cache
def _stock() -> bytes:
    return Random("stock").randbytes(_STOCK_BYTES)  # noqa: S311  # nothing is kept secret by it
