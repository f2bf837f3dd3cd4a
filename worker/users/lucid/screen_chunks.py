"""Chunks that look like a recorded desktop: flat windows, lines of text, a little picture. 16 KB each, a strip of the screen.

Real captures compress well because most of a screen is flat and text repeats its glyphs, and not perfectly because
of pictures and antialiasing; these are made of the same stuff in shares that gzip level 6 reduces by 70 to 90 %.
"""

from __future__ import annotations

from functools import cache
from random import Random

CHUNK_BYTES = 16 * 1024
_WIDTH, _HEIGHT = 128, 32  # pixels of 4 bytes each (BGRX)
_GLYPH_WIDTH, _GLYPH_HEIGHT = 6, 9
_VARIANTS = 8


@cache
def chunks() -> tuple[bytes, ...]:
    """The variants, the same in every process; made once."""
    return tuple(_strip(Random(variant)) for variant in range(_VARIANTS))  # noqa: S311  # made up, not secret


def _strip(random: Random) -> bytes:
    background, ink = _colour(random, 200, 255), _colour(random, 0, 90)
    pixels = [background] * (_WIDTH * _HEIGHT)
    for x in range(_WIDTH):  # the window's title bar
        pixels[x] = pixels[_WIDTH + x] = ink
    glyphs = [[random.getrandbits(_GLYPH_WIDTH - 1) for _ in range(_GLYPH_HEIGHT)] for _ in range(20)]
    for top in range(4, _HEIGHT - _GLYPH_HEIGHT, _GLYPH_HEIGHT + 1):
        for left in range(2, _WIDTH - 32, _GLYPH_WIDTH):
            if random.random() < 0.8:  # the rest are blanks between words
                _draw(pixels, random.choice(glyphs), top, left, ink)
    for y in range(6, 26):  # a picture: a gradient with noise
        for x in range(_WIDTH - 26, _WIDTH - 4):
            pixels[y * _WIDTH + x] = bytes((x, y * 6 + random.randrange(8), 120 + random.randrange(8), 0))
    return b"".join(pixels)


def _draw(pixels: list[bytes], glyph: list[int], top: int, left: int, ink: bytes) -> None:
    for row, bits in enumerate(glyph):
        for column in range(_GLYPH_WIDTH - 1):
            if bits >> column & 1:
                pixels[(top + row) * _WIDTH + left + column] = ink


def _colour(random: Random, darkest: int, brightest: int) -> bytes:
    return bytes((*(random.randint(darkest, brightest) for _ in range(3)), 0))
