"""The media that are there at first: titles and tags of a fixed list of words, drawn with a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

COUNT = 200
MIN_BYTES, MAX_BYTES = 1024 * 1024, 4 * 1024 * 1024

_FIRST = ("silent", "golden", "northern", "broken", "electric", "hidden", "burning", "distant", "crimson", "frozen")
_SECOND = ("river", "harbour", "signal", "garden", "engine", "island", "mirror", "winter", "station", "orchard")
_THIRD = (
    "diaries",
    "returns",
    "at night",
    "unseen",
    "in colour",
    "rising",
    "remastered",
    "live",
    "part one",
    "stories",
)
_TAGS = (
    "drama",
    "comedy",
    "documentary",
    "news",
    "sport",
    "music",
    "nature",
    "history",
    "science",
    "travel",
    "hd",
    "archive",
)


class CatalogueMedium(NamedTuple):
    """A medium of the catalogue; `seed` counts from 1."""

    seed: int
    id: str
    title: str
    tags: str
    size_bytes: int


def catalogue() -> Iterator[CatalogueMedium]:
    """`media0001` to `media0200`."""
    drawn = random.Random(1)  # noqa: S311  # no secret: the same at each start
    for seed in range(1, COUNT + 1):
        title = " ".join((drawn.choice(_FIRST), drawn.choice(_SECOND), drawn.choice(_THIRD))).capitalize()
        tags = " ".join(sorted(drawn.sample(_TAGS, 2)))
        yield CatalogueMedium(seed, f"media{seed:04d}", title, tags, drawn.randint(MIN_BYTES, MAX_BYTES))
