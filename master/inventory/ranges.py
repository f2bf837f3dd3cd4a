"""Names of hosts as an inventory writes them: `pi[001:500]`, `pi[1:9:2]`, `rack-[a:f]-pi[01:20]`, `pi7:2222`. Pure.

What Ansible reads as a host name, a range and a port is read alike; what it takes only by accident is refused.
"""

from __future__ import annotations

import itertools
import re
import string

LARGEST_RANGE = 10_000
"""Hosts that one name may stand for."""
_MAX_DIGITS = 18
"""Of a number in a range: with more it counts to nothing that could be meant."""
_PORT_DIGITS = 5
_SHOWN = 80

_RANGE = re.compile(r"\[([^\[\]]*)\]")
_BOUNDS = re.compile(r"(?:([0-9]+):([0-9]+)|([A-Za-z]):([A-Za-z]))(?::([0-9]+))?")
_PORT = re.compile(r"(.*[^:]):([0-9]+)")
# A label of a host name, once each range in it is written as a 0.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?")


def expand(written: str) -> tuple[list[str], int | None]:
    """The names that `written` stands for, in order, and the port that it gives them. Raises ValueError for what is no name."""
    name, port = written, None
    if ported := _PORT.fullmatch(_RANGE.sub("0", written)):
        digits = ported[2]
        if len(digits) > _PORT_DIGITS:
            raise ValueError("has a port beyond 65535")
        name, port = written[: -len(digits) - 1], int(digits)
    parts = _RANGE.split(name)
    if not all(_LABEL.fullmatch(label) for label in "0".join(parts[::2]).split(".")):
        raise ValueError(
            "is no host name: labels of letters, digits, '-' and '_', with ranges such as [001:500] or [a:f]"
        )
    check_size(name)
    choices = [[part] if index % 2 == 0 else _choices(part) for index, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)], port


def check_size(written: str) -> None:
    """Raise ValueError where the ranges in `written` stand for more than LARGEST_RANGE hosts, as Ansible reads them."""
    count = 1
    for bounds in _RANGE.findall(written):
        size = _size(bounds)
        if size > LARGEST_RANGE:
            raise ValueError(f"[{bounds[:_SHOWN]}] stands for more than {LARGEST_RANGE} hosts")
        count *= size
    if count > LARGEST_RANGE:
        raise ValueError(f"stands for {count} hosts; {LARGEST_RANGE} are supported")


def _size(bounds: str) -> int:
    """How many names a range stands for; 1 for what is none, or is an empty one."""
    begin, end, step = ([*bounds.split(":"), "", ""])[:3]
    try:
        if max(len(begin), len(end), len(step)) > _MAX_DIGITS:
            return LARGEST_RANGE + 1
        if begin and begin in string.ascii_letters:
            first, last = string.ascii_letters.index(begin), string.ascii_letters.index(end)
        else:
            first, last = int(begin or 0), int(end)
        return max(1, len(range(first, last + 1, int(step or 1))))
    except ValueError:
        return 1


def _choices(bounds: str) -> list[str]:
    """What a range such as `001:500` stands for."""
    found = _BOUNDS.fullmatch(bounds)
    if found is None:
        raise ValueError(f"[{bounds}] is no range: [begin:end] or [begin:end:step], of numbers or of single letters")
    step = int(found[5] or 1)
    if step == 0:
        raise ValueError(f"[{bounds}] has a step of 0")
    if found[1] is not None:
        begin, end = found[1], found[2]
        padded = len(begin) if begin[0] == "0" and len(begin) > 1 else 0
        if padded and len(end) != padded:
            raise ValueError(f"[{bounds}]: {begin} has leading zeros, so {end} must have as many digits")
        first, last = int(begin), int(end)
        chosen = [str(number).zfill(padded) for number in range(first, last + 1, step)]
    else:
        # Ansible's order of letters: a to z, then A to Z.
        first, last = string.ascii_letters.index(found[3]), string.ascii_letters.index(found[4])
        chosen = list(string.ascii_letters[first : last + 1 : step])
    if not chosen:
        raise ValueError(f"[{bounds}] ends before it begins")
    return chosen
