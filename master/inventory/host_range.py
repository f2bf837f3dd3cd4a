"""Limits on ranges in host names, such as `pi[001:500]` or `rack-[a:f]-pi[01:20]`. Pure; ansible-core expands them."""

from __future__ import annotations

import re
import string

MAX_HOSTS = 10_000
"""Hosts that one name may stand for."""
_MAX_DIGITS = 18
"""Of a number in a range; with more it can't be meant."""
_SHOWN = 80

_RANGE = re.compile(r"\[([^\[\]]*)\]")


def check_range(written: str) -> None:
    """Raise ValueError where the ranges in `written` stand for no host, or for more than MAX_HOSTS, as Ansible reads them."""
    count = 1
    for bounds in _RANGE.findall(written):
        size = _size(bounds)
        if size == 0:
            raise ValueError(f"[{bounds[:_SHOWN]}] ends before it begins")
        if size > MAX_HOSTS:
            raise ValueError(f"[{bounds[:_SHOWN]}] stands for more than {MAX_HOSTS} hosts")
        count *= size
    if count > MAX_HOSTS:
        raise ValueError(f"stands for {count} hosts; {MAX_HOSTS} are supported")


def _size(bounds: str) -> int:
    """Number of names that a range stands for; 1 for what is no range, which Ansible refuses."""
    begin, end, step = ([*bounds.split(":"), "", ""])[:3]
    try:
        if max(len(begin), len(end), len(step)) > _MAX_DIGITS:
            return MAX_HOSTS + 1
        if begin and begin in string.ascii_letters:
            first, last = string.ascii_letters.index(begin), string.ascii_letters.index(end)
        else:
            first, last = int(begin or 0), int(end)
        return len(range(first, last + 1, int(step or 1)))
    except ValueError:
        return 1
