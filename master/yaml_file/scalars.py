"""Parsing of single YAML values, so that they mean the same to everyone.

PyYAML reads YAML 1.1, where 0100 is 64, 1:30 is 90 and `no` is false; most people and other readers expect the core schema of YAML
1.2 (10.3.2), where these are 100, a text and a text, and 1e3 is a number. What is read differently, and what is no plain decimal
at all, is refused rather than guessed.
"""

from __future__ import annotations

import math
import re

MAX_NUMBER_LENGTH = 400
"""Characters. The smallest float takes 330, and Python refuses to show whole numbers of more than 4300 digits."""

_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+][0-9]+)?")
_NUMBER_IN_1_2 = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")
_BOOLS = {"true": True, "false": False}


class ScalarError(ValueError):
    """A scalar that is refused, with the message for the operator."""


def is_yaml_1_2_number(text: str) -> bool:
    """Whether readers of YAML 1.2 take unquoted `text` for a number."""
    return _NUMBER_IN_1_2.fullmatch(text) is not None


def check_length(text: str, kind: str) -> None:
    """Raise ScalarError for a number of more characters than any can have that means something."""
    if kind in ("int", "float") and len(text) > MAX_NUMBER_LENGTH:
        raise ScalarError(f"a number of {len(text)} characters is more than can be meant")


def check_characters(text: str) -> None:
    """Raise ScalarError for text that no file and no message can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ScalarError("holds half a surrogate pair, which is no character") from None


def plain_scalar(text: str, kind: str, *, quoted: bool) -> bool | int | float | str:
    """The value of a scalar that YAML 1.1 takes for a `kind` (int, float, bool, or any kind of text).

    `quoted`: its quotes, or its own tag, say that text is text. Raises ScalarError for what is not read alike everywhere.
    """
    check_length(text, kind)
    if kind == "int":
        return _finite(text, int(text)) if _WHOLE.fullmatch(text) else _refuse_number(text)
    if kind == "float":
        return _finite(text, float(text)) if _DECIMAL.fullmatch(text) else _refuse_number(text)
    if kind == "bool":
        if text.lower() not in _BOOLS:
            raise ScalarError(
                f"{text!r:.60} means yes or no to some, and is text to others: write true or false, or quote it"
            )
        return _BOOLS[text.lower()]
    if not quoted and is_yaml_1_2_number(text):
        _refuse_number(text)
    return text


def _finite(text: str, number: float) -> float:
    if not number and text.startswith("-"):
        raise ScalarError(f"{text} is a negative zero: write 0")
    if isinstance(number, float) and math.isinf(number):
        raise ScalarError(f"{text!r:.60} is more than a number can be")
    return number


def _refuse_number(text: str) -> float:
    raise ScalarError(
        f"{text!r:.60} is no plain decimal number, such as 100 or 2.5: write one, or quote it if text is meant"
    )
