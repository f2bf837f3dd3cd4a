"""An answer of the target, as checks see it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_EXCERPT_CHARACTERS = 160
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""An escape of JSON; its group is half of a pair, which no text has by itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers by lower-case name (several of a name joined by newlines), and at most the first part of the body."""

    request: str
    """Method and path, as evidence shows them."""
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")

    @property
    def unescaped_text(self) -> str:
        """The body as text, with the quotes and ends of lines that JSON escapes: for patterns of what stands in its strings."""
        return self.text.replace("\\n", "\n").replace('\\"', '"')

    @property
    def json(self) -> Any:
        """The body's JSON, with U+FFFD for what no text can have; None where it is none."""
        try:
            return json.loads(_ESCAPE.sub(_whole, self.body) if b"\\u" in self.body else self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def media_type(self) -> str:
        """Its Content-Type without parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str:
        """The value of a header; empty where there is none."""
        return self.headers.get(name, "")

    def excerpt(self, around: str = "") -> str:
        """A short part of the body, with `around` in its middle where that is in it."""
        text = self.unescaped_text
        begin = max(0, text.find(around) - _EXCERPT_CHARACTERS // 4) if around else 0
        return text[begin : begin + _EXCERPT_CHARACTERS]

    def __str__(self) -> str:
        return f"{self.request} → {self.status}"


def _whole(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[1] else escape[0]
