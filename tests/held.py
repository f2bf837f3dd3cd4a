"""How much is held by what lives long: a walk over everything that can be reached from it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Sized
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

_SHARED = (ModuleType, type, FunctionType, CodeType, FrameType)
"""The program itself: nobody's own, so the walk ends there."""
_NUMBERS = (int, float, complex, type(None), type(...))
"""Held by a container whose length counts. Whether Python has one object for two that are equal says nothing."""
_LEFT_OUT = (*_SHARED, *_NUMBERS)


class Held(NamedTuple):
    """How many objects, numbers left out; how many entries their containers have together (texts: characters); bytes of all."""

    objects: int
    entries: int
    size_bytes: int


def held(roots: Iterable[object], *, beyond: Iterable[object] = ()) -> Held:
    """All that `roots` lead to, themselves included; `beyond` begins what is not theirs."""
    kept_out = {id(one) for one in beyond}
    seen: dict[int, Any] = {}
    found = list(roots)
    while found:
        new = {id(one): one for one in found if not isinstance(one, _LEFT_OUT)}
        for each in kept_out | (new.keys() & seen.keys()):
            new.pop(each, None)
        seen |= new
        found = gc.get_referents(*new.values())
    entries = sum(len(one) for one in seen.values() if isinstance(one, Sized))
    return Held(len(seen), entries, sum(map(sys.getsizeof, seen.values())))
