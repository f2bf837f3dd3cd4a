"""Where in some code something happened, as people read it: `locustfile.py:12`, without the folders of whoever ran it."""

from __future__ import annotations

import traceback
from types import FrameType


def place_of_call(frame: FrameType) -> str:
    """The place at which `frame` is."""
    return _place(frame.f_code.co_filename, frame.f_lineno)


def place_of_error(error: BaseException) -> str:
    """The place where `error` was raised; empty where it was not raised yet."""
    frames = traceback.extract_tb(error.__traceback__)
    return _place(frames[-1].filename, frames[-1].lineno) if frames else ""


def in_brackets(place: str) -> str:
    """` (locustfile.py:12)`, to stand behind a sentence; empty where there is no place."""
    return f" ({place})" if place else ""


def _place(file: str, line: int | None) -> str:
    return f"{file.rpartition('/')[2]}:{line}"
