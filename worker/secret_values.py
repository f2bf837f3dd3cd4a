"""Secrets that a process was given for users, such as environment variables that the scenario names: no text that leaves it has them in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

MIN_LENGTH = 5
"""Shorter values, such as 1 or true, stand for too much else."""


class Mask:
    """Shows secrets in text by their names. Pure."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """`secrets` are values by name; they are found as they are, quoted by Python or JSON, and as a part of a URL, the lines of each by themselves."""
        shown: dict[str, str] = {}
        for name, value in secrets.items():
            lines = [line.strip() for line in value.splitlines()]
            for part in (line for line in [value, *lines] if len(line) >= MIN_LENGTH):
                for form in _forms(part):
                    shown.setdefault(form, f"[{name}]")
        self._shown = shown
        # The longest first: one secret may be the beginning of another.
        longest_first = sorted(shown, key=lambda part: (-len(part), part))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if shown else None

    def __call__(self, text: str) -> str:
        """`text` with names in place of secrets."""
        return text if self._pattern is None else self._pattern.sub(lambda found: self._shown[found[0]], text)


def _forms(value: str) -> Iterator[str]:
    yield value
    quoted = repr(value + "'\"")[1:-4]  # with both kinds of quotes in it the single ones are escaped
    yield from (quoted, quoted.replace("\\'", "'"))
    yield from (json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    yield from (quote(value, safe=""), quote(value), quote_plus(value))


_kept: dict[str, str] = {}
_mask = Mask(_kept)


def keep_secret(variables: Mapping[str, str]) -> None:
    """From now on have `without_secrets` show the names of `variables` for their values."""
    global _mask  # noqa: PLW0603  # there is one process, and one environment of it
    _kept.update(variables)
    _mask = Mask(_kept)


def without_secrets(text: str) -> str:
    """`text` with names in place of secret values."""
    return _mask(text)
