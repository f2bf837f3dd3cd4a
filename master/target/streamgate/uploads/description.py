"""What whoever uploads says of a medium, by a form or in metadata. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from master.target.api import errors
from master.target.streamgate.media.messages import MAX_TITLE_CHARACTERS, Tags, Title

UNTITLED = "untitled"


class Description(NamedTuple):
    """Title, and tags separated by spaces."""

    title: str
    tags: str


def read_description(given: Mapping[str, str]) -> Description:
    """Of `title`, or else `filename`, and `tags` separated by commas; all may be left out. Raises ApiError 422."""
    title = given.get("title") or given.get("filename", "")[:MAX_TITLE_CHARACTERS] or UNTITLED
    tags = given["tags"].split(",") if given.get("tags") else []
    if "\0" in title:
        raise errors.invalid("title must not have the character U+0000")
    try:
        return Description(msgspec.convert(title, Title), " ".join(dict.fromkeys(msgspec.convert(tags, Tags))))
    except msgspec.ValidationError as error:
        raise errors.invalid(f"title or tags: {error}") from None
