"""Places in the operator's own code: of an exception, of a stack, of a listener."""

from __future__ import annotations

import linecache
import os
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, TracebackType

_LIBRARIES = tuple(
    {os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_ROOT = Path(__file__).resolve().parents[2]
_OURS = tuple(f"{_ROOT / name}{os.sep}" for name in ("master", "worker"))


def is_operators(path: str) -> bool:
    """Whether a file is the operator's: neither Python's, nor a library's, nor piswarm's."""
    real = os.path.realpath(path)
    return not path.startswith("<") and not real.startswith(_LIBRARIES) and not real.startswith(_OURS)


def describe_place(file: str, line: int, function: str) -> str:
    """A place as `shop.py:12 in checkout: stock.reserve()`."""
    source = linecache.getline(file, line).strip()
    within = "" if function == "<module>" else f" in {function}"
    return f"{Path(file).name}:{line}{within}" + (f": {source}" if source else "")


def place_of_traceback(trace: TracebackType | None) -> tuple[str, int, str] | None:
    """File, line and function of the innermost of the operator's own calls; of the innermost of all where none is."""
    return _innermost((frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(trace))


def place_of_frame(frame: FrameType) -> tuple[str, int, str] | None:
    """The same of where something is now."""
    return _innermost((each.filename, each.lineno or 0, each.name) for each in traceback.extract_stack(frame))


def _innermost(places: Iterable[tuple[str, int, str]]) -> tuple[str, int, str] | None:
    found = list(places)
    return next((place for place in reversed(found) if is_operators(place[0])), found[-1] if found else None)
