"""The shape of `hooks`: who is told what of a run."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from master.hooks.model import EVENTS, VARIABLE, Hook
from master.scenario.schema.base import Shape, max_length
from master.scenario.suggest import did_you_mean

MAX_HOOKS = 20
_MAX_WORDS = 100
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OF_HTTP = ("content-length", "content-type", "host", "transfer-encoding", "connection")


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _known_event(name: str) -> str:
    if name not in EVENTS:
        raise ValueError(f"there is no event {name!r:.60} ({', '.join(EVENTS)}){did_you_mean(name, list(EVENTS))}")
    return name


def _check_url(url: str) -> str:
    plain = VARIABLE.sub("x", url)
    if not VARIABLE.match(url) and not re.match(r"https?://", plain):
        raise ValueError(f"{url!r:.200} is no URL that starts with http:// or https://")
    try:
        parts = urlsplit(plain)
        usable = (bool(parts.hostname) or VARIABLE.match(url)) and parts.port != 0
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from None
    if "@" in parts.netloc:
        raise ValueError("holds credentials: give them in headers, as ${NAME} of an environment variable")
    if not usable or not re.fullmatch(r"[!-~]{1,2000}", url):
        raise ValueError(f"{url!r:.200} is no URL, e.g. https://chat.example/hooks/${{HOOK_TOKEN}}")
    return url


def _check_header(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _OF_HTTP:
        raise ValueError(f"{name!r:.100} is no name of a header that can be set")
    return name


def _check_text(value: str) -> str:
    if not value.isprintable() or not value.isascii() or len(value) > 2000:
        raise ValueError("is no text of a header: printable ASCII, at most 2000 characters")
    return value


def _check_word(word: str) -> str:
    if "\0" in word or not word or len(word) > 10_000:
        raise ValueError("is no word of a command")
    return word


class HookShape(Shape):
    """One entry of `hooks`."""

    events: Annotated[list[Annotated[str, AfterValidator(_known_event)]], BeforeValidator(_one_or_more), max_length(20)]
    url: Annotated[str, AfterValidator(_check_url)] | None = None
    headers: Annotated[
        dict[Annotated[str, AfterValidator(_check_header)], Annotated[str, AfterValidator(_check_text)]], max_length(50)
    ] = Field(default_factory=dict)
    command: Annotated[
        list[Annotated[str, AfterValidator(_check_word)]], BeforeValidator(_one_or_more), max_length(_MAX_WORDS)
    ] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) is (not self.command):
            raise ValueError("needs either a url or a command")
        if self.headers and self.url is None:
            raise ValueError("has headers, which only a url gets")
        if not self.events:
            raise ValueError(f"names no event in 'events': {', '.join(EVENTS)}")
        return self

    def hook(self) -> Hook:
        """The hook."""
        return Hook(tuple(dict.fromkeys(self.events)), self.url, dict(self.headers), tuple(self.command))
