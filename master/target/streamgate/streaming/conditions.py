"""Conditional requests, RFC 9110 section 13. Pure."""

from __future__ import annotations

from email.utils import formatdate

from msgspec import UNSET, UnsetType


def has_changed(if_none_match: str | UnsetType, etag: str) -> bool:
    """False where the client has the representation with that tag; weak comparison."""
    if if_none_match is UNSET:
        return True
    if if_none_match.strip() == "*":
        return False
    return all(given.strip().removeprefix("W/") != etag for given in if_none_match.split(","))


def may_resume(if_range: str | UnsetType, etag: str, last_modified: str) -> bool:
    """Whether a range may be answered: the client's parts are of this representation; strong comparison."""
    return if_range is UNSET or if_range.strip() in {etag, last_modified}


def http_date(unix_s: float) -> str:
    """As Last-Modified has it; whole seconds."""
    return formatdate(unix_s, usegmt=True)
