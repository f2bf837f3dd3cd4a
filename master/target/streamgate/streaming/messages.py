"""The headers that requests for content may have."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

_NAMES = {"if_none_match": "if-none-match", "if_range": "if-range"}


class ConditionHeaders(Struct, rename=_NAMES):
    """RFC 9110 section 13.1.2."""

    if_none_match: str | UnsetType = UNSET


class ContentHeaders(Struct, rename=_NAMES):
    """RFC 9110 sections 13.1.2, 13.1.5 and 14.2."""

    range: str | UnsetType = UNSET
    if_range: str | UnsetType = UNSET
    if_none_match: str | UnsetType = UNSET
