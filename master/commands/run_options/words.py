"""The words of a command line, sorted: options of piswarm's, and what Locust's parser is to read. Pure.

Options of the locustfile's own are known only once it is imported, so that words that nobody knows yet are kept in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from pathlib import Path

from master.project.other_options import BREAK


class Values(Enum):
    """How many values an option takes."""

    NONE = 0
    ONE = 1
    MANY = 2


@dataclass(frozen=True)
class Words:
    """Words of a command line: `ours` for piswarm's parser, `rest` for Locust's."""

    ours: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)


def sort_words(words: Sequence[str], ours: Mapping[str, Values]) -> Words:
    """Sort words, of which `ours` names piswarm's options. What stands behind `--` is for Locust's parser."""
    found = Words()
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            found.rest.extend([BREAK, *left])
            break
        name, equals, _ = word.partition("=")
        if word[:2] in ours and word[1:2] != "-" and len(word) > 2 and ours[word[:2]] is Values.ONE:
            found.ours.extend([word[:2], word[2:].removeprefix("=")])
        elif name not in ours:
            found.rest.append(word)
            continue
        else:
            found.ours.append(word)
            if ours[name] is Values.ONE and not equals and left:
                found.ours.append(left.pop(0))
        found.rest.append(BREAK)
    rest = [word for before, word in pairwise(["", *found.rest]) if not (word == before == BREAK)]
    return Words(found.ours, rest[rest[:1] == [BREAK] :])


def find_scenario(rest: Sequence[str], locusts: Mapping[str, Values], *, has_project: bool) -> int | None:
    """Which of the words for Locust's parser is a scenario's file: the first that ends like one, or a word that is no option's value.

    `locusts` are options of Locust's that are known without it. Where there is a project that would run without a word
    (`has_project`), only a word that all begins with, and that is a file, is a scenario's; others may be classes, or values.
    """
    free: list[int] = []
    behind = Values.NONE
    for index, word in enumerate(rest):
        if word.startswith("-") and word != "-":
            behind = Values.NONE if "=" in word else locusts.get(word, Values.NONE)
        elif behind is Values.NONE or (behind is Values.MANY and is_scenario(word)):
            free.append(index)
        elif behind is Values.ONE:
            behind = Values.NONE
    likely = next((index for index in free if is_scenario(rest[index])), None)
    if likely is None and free and (not has_project or (free[0] == 0 and Path(rest[0]).is_file())):
        return free[0]
    return likely


def has_project(folder: Path, environment: Mapping[str, str]) -> bool:
    """Whether Locust would find something to run without a word."""
    names = ("locustfile.py", "locust.conf")
    return "LOCUST_LOCUSTFILE" in environment or any((folder / name).is_file() for name in names)


def is_scenario(word: str) -> bool:
    """Whether a word ends as a scenario's file does."""
    return Path(word).suffix.lower() in {".yml", ".yaml"}
