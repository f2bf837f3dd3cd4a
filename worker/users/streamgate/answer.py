"""An answer as a check sees it: status, header fields, body."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar

from worker.users.lucid.replies import WrongReplyError, read

__all__ = ["Answer", "Check", "WrongReplyError", "identifier"]

T = TypeVar("T")


class Answer(NamedTuple):
    """What came back for a request. `head` is everything before the body, as it came over the wire."""

    status: int
    head: bytes
    content: bytes

    def header(self, name: str) -> str | None:
        """The value of the header field `name`, the first one if there are several; None without one."""
        found = _finder(name)(self.head)
        return None if found is None else found[1].decode("latin-1").strip()

    def require_status(self, *expected: int) -> None:
        """Raise WrongReplyError unless the status is one of `expected`."""
        read(self.status, self.content, expected, bytes, None)

    def require_header(self, name: str, value: str) -> None:
        """Raise WrongReplyError unless the header field `name` has exactly this value."""
        if self.header(name) != value:
            raise WrongReplyError(f"{name} is missing or contradicts the request")

    def number(self, name: str) -> int:
        """The header field `name` as a number of bytes. Raises WrongReplyError for what is none."""
        value = self.header(name)
        if value is None or not _is_number(value):
            raise WrongReplyError(f"{name} is missing or no number")
        return int(value)

    def entity_tag(self) -> str:
        """The value of ETag (RFC 9110 8.8.3). Raises WrongReplyError for what is none."""
        value = self.header("ETag")
        if value is None or not _is_entity_tag(value):
            raise WrongReplyError("ETag is missing or malformed")
        return value

    def decoded(self, reply: type[T], *expected: int) -> T:
        """The JSON body as a `reply`. Raises WrongReplyError, also for a status that is none of `expected`."""
        return read(self.status, self.content, expected, reply, None)


Check = Callable[[Answer], T]
"""Returns what was asked for. Raises WrongReplyError."""


def identifier(text: str) -> str:
    """`text`, the id of something that the target has made, which becomes a part of paths. Raises WrongReplyError for what is none."""
    if not _is_identifier(text):
        raise WrongReplyError("an id has other characters than ids have")
    return text


_is_identifier = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch
_is_entity_tag = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]{0,256}"').fullmatch
_is_number = re.compile(r"[0-9]{1,18}").fullmatch


@cache
def _finder(name: str) -> Callable[[bytes], Any]:
    return re.compile(rb"\n%b:[ \t]*([^\r\n]*)" % re.escape(name.encode()), re.IGNORECASE).search
