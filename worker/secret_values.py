"""Values of environment variables that are nobody's business: the scenario names them, and no text that leaves the process has them in it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

MIN_LENGTH = 5
"""Shorter values, such as 1 or true, stand for too much else."""

_values: dict[str, str] = {}


def keep_secret(variables: Mapping[str, str]) -> None:
    """From now on have `without_secrets` and the output of this process show the names of `variables` for their values."""
    _values.update({value: f"[{name}]" for name, value in variables.items() if len(value) >= MIN_LENGTH})
    if not _values or isinstance(sys.stderr, _Output):
        return
    former = sys.stderr
    sys.stdout, sys.stderr = _Output(sys.stdout), _Output(former)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is former:
            handler.setStream(sys.stderr)


def without_secrets(text: str) -> str:
    """`text` with names in place of secret values."""
    for value, name in _values.items():
        text = text.replace(value, name)
    return text


class _Output:
    """A text stream to which no secret is written, as long as it is in one piece."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def write(self, text: str) -> Any:
        return self._inner.write(without_secrets(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
