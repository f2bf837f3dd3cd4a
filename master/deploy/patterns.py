"""Which hosts a pattern means: `workers:!rack_a:&lab`, `pi00?`, `rack_*,controller`. Pure.

What all terms without a sign name is united (all hosts where there is none), then cut down to what each `&` term names, then
rid of what each `!` term names, in whatever order they are written. So does Ansible, but for one thing: a term that means no
host and no group is an error here, since a misspelt `!rack_a` must not bring rack_a in.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Mapping

_TERM = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_SUBSCRIPT = re.compile(r".+\[(?:-?[0-9]+|[0-9]+[:-][0-9]*)\]")
_HOST_AND_PORT = re.compile(r"[^:]+:[0-9]+")
_WILD = frozenset(".?*[")


class PatternError(ValueError):
    """A pattern that can't be followed, with the reason."""


def split(pattern: str) -> list[str]:
    """The terms of `pattern`, which commas or colons separate. Raises PatternError for what only Ansible itself can read."""
    if "," in pattern:
        terms = [term.strip() for term in pattern.split(",")]
    elif _HOST_AND_PORT.fullmatch(pattern) or "::" in pattern or pattern.count(":") > 6:
        raise PatternError(f"{pattern!r} may be an address with a port: separate the terms with commas")
    else:
        terms = _TERM.findall(pattern)
    terms = [term for term in terms if term]
    for term in terms:
        bare = term.lstrip("&!")
        if not bare:
            raise PatternError(f"{pattern!r}: {term!r} names nothing")
        if bare[0] in "~@" or len(term) - len(bare) > 1:
            kinds = {"~": "regular expressions", "@": "files of hosts"}
            raise PatternError(f"{term!r}: {kinds.get(bare[0], 'two signs')} can't be read without ansible-core")
        if _SUBSCRIPT.fullmatch(bare):
            raise PatternError(
                f"{term!r}: subscripts can't be read without ansible-core; a glob such as pi00[1-3]* can"
            )
    return terms


def select(terms: Collection[str], hosts: Collection[str], groups: Mapping[str, Collection[str]]) -> set[str]:
    """The hosts that `terms` mean. `groups` has every group, `all` too, with the hosts in it and in its children."""

    def meant(term: str) -> set[str]:
        if term in hosts and term[0] not in "&!":
            return {term}
        bare = term.lstrip("&!")
        like = _like(bare)
        named = [group for group in groups if like(group)]
        found = {host for group in named for host in groups[group]}
        if not named or _WILD & set(bare):
            found |= {host for host in hosts if like(host)}
        if not named and not found:
            raise PatternError(f"{bare!r} is no host and no group")
        return found

    plain = [term for term in terms if term[0] not in "&!"]
    chosen = set[str]().union(*map(meant, plain or ["all"]))
    for term in terms:
        if term[0] == "&":
            chosen &= meant(term)
    for term in terms:
        if term[0] == "!":
            chosen -= meant(term)
    return chosen


def _like(glob: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(glob)).match
