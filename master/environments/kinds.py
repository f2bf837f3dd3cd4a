"""Kinds of values that variables have: each refuses what the process that reads the variable would refuse."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from master.scenario.schema.scenario import check_target
from master.scenario.units import parse_duration, parse_rate
from master.services.addresses import parse_address
from master.target.rdp.ports import parse_port_range

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
URL_SAFE = ALPHANUMERIC + "-_"
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class Secret(NamedTuple):
    """How a secret is made, and what one that somebody else has made must be."""

    length: int
    """Characters of a generated one."""
    alphabet: str
    """Of a generated one: what every place that it is put into takes unquoted."""
    least: int = 12
    """Fewest characters of one that is accepted."""
    most: int = 256
    accepted: str = PRINTABLE

    def check(self, value: str) -> None:
        """Raise ValueError, which never repeats the secret."""
        if not self.least <= len(value) <= self.most:
            raise ValueError(f"has {len(value)} characters; give it {self.least} to {self.most}")
        if not set(value) <= set(self.accepted):
            raise ValueError("has characters beside the printable ones of ASCII")


def _whole(value: Any) -> Any:
    if not re.fullmatch(r"-?[0-9]{1,15}", str(value)):
        raise ValueError("is not a whole number")
    return int(value)


def _decimal(value: Any) -> Any:
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", str(value)):
        raise ValueError("is not a number")
    return float(value)


def _limit(value: Any) -> Any:
    number = _decimal(value)
    if number < 0.01 and number != 0:
        raise ValueError("is neither 0 nor 0.01 or more")
    return number


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _database(text: str) -> str:
    scheme, separator, _ = text.partition("://")
    if separator and scheme not in {"postgresql", "postgres"}:
        raise ValueError("is neither a file nor a postgresql:// URL")
    return _without_password(text, "PGPASSWORD")


def _redis(text: str) -> str:
    if not text.startswith(("redis://", "rediss://")):
        raise ValueError("is no redis:// URL")
    return _without_password(text, "PISWARM_TARGET_REDIS_PASSWORD")


def _service(text: str) -> str:
    if parse_address(text).password:
        raise ValueError("holds a password, which is shown in logs, and health is asked for without one: leave it out")
    return text


def _without_password(text: str, variable: str) -> str:
    try:
        held = "://" in text and urlsplit(text).password is not None
    except ValueError:
        raise ValueError("is no URL") from None
    if held:
        raise ValueError(f"holds a password, which is shown in logs: give it as {variable}")
    return text


Text = Annotated[str, Field(min_length=1, max_length=4096)]
Whole = Annotated[int, BeforeValidator(_whole)]
Decimal = Annotated[float, BeforeValidator(_decimal)]
RateLimit = Annotated[float, BeforeValidator(_limit)]
Duration = Annotated[str, _checked(parse_duration)]
Rate = Annotated[str, _checked(parse_rate)]
PortRange = Annotated[str, _checked(parse_port_range)]
Target = Annotated[str, AfterValidator(check_target)]
DatabasePlace = Annotated[str, AfterValidator(_database)]
RedisUrl = Annotated[str, AfterValidator(_redis)]
ServiceUrl = Annotated[str, AfterValidator(_service)]
NAMES = {
    Text: "text",
    Whole: "whole number",
    Decimal: "number",
    RateLimit: "number",
    Duration: "duration",
    Rate: "rate",
    PortRange: "ports",
    Target: "target",
    DatabasePlace: "file or URL",
    RedisUrl: "URL",
    ServiceUrl: "URL",
}
"""How each kind is called in tables."""
