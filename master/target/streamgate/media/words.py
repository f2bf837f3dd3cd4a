"""The words by which a medium is found. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_WORDS = 16
"""Of a title in the index, and of a search; further ones are passed over."""
_MAX_CHARACTERS = 32
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The different words of a text in order, as they are compared: without regard to case, and to how letters are composed."""
    found = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return list(dict.fromkeys(word[:_MAX_CHARACTERS] for word in found))[:MAX_WORDS]


def terms(title: str, tags: Iterable[str]) -> list[str]:
    """What the index has of a medium: its words, and its tags, which no word is like."""
    return [*words(title), *(f"#{tag}" for tag in dict.fromkeys(tags))]
