"""Which hosts a pattern means: `workers:!rack_a:&lab`, `pi00?`, `rack_*,controller`. Pure.

What all terms without a sign name is united (all hosts where there is none), then cut down to what each `&` term names, then
rid of what each `!` term names, in whatever order they are written. So does Ansible, but for two things. A term that means no
host and no group is an error here, since a misspelt `!rack_a` must not bring rack_a in. So is an empty term, which Ansible
leaves out: a script that says `"$A,$B"` and has neither must not reach all hosts.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Mapping

_TERM = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_SUBSCRIPT = re.compile(r".+\[(?:-?[0-9]+|[0-9]+[:-][0-9]*)\]")
_HOST_AND_PORT = re.compile(r"[^:]+:[0-9]+")
_WILD = frozenset(".?*[")
_BRACKETS = re.compile(r"\[[^\[\]]*\]")
_COLON = re.compile(r":(?![^\[]*\])")
"""One that parts two terms: none within a subscript."""
_SHOWN = 80


class PatternError(ValueError):
    """A pattern that can't be followed, with the reason."""


def check(pattern: str) -> None:
    """Raise PatternError for a pattern with an empty or broken term, whoever reads it."""
    shown = repr(pattern[:_SHOWN])
    if not pattern.strip():
        raise PatternError(f"{shown} is empty")
    for term in pattern.split(",") if "," in pattern else _COLON.split(pattern):
        bare = term.strip().lstrip("&!").strip()
        if not term.strip():
            raise PatternError(f"{shown} has an empty term; if it is an address, separate the terms with commas")
        if bare in ("", "~", "@"):
            raise PatternError(f"{shown}: {term.strip()[:_SHOWN]!r} names nothing")
        if bare[0] == "~":
            _check_expression(bare)
        elif set("[]") & set(_BRACKETS.sub("", bare)):
            raise PatternError(f"{shown}: {term.strip()[:_SHOWN]!r} has a bracket without its other one")


def _check_expression(term: str) -> None:
    """Raise PatternError for a regular expression that is none, or that everything matches because a part of it is empty."""
    try:
        matches_all = re.match(term[1:], "")
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"{term[:_SHOWN]!r} is no regular expression: {error}") from None
    if matches_all:
        raise PatternError(f"{term[:_SHOWN]!r} matches the empty name, and so every host: say '*' if that is meant")


def split(pattern: str) -> list[str]:
    """The terms of `pattern`, which commas or colons separate. Raises PatternError for what only Ansible itself can read."""
    check(pattern)
    if "," in pattern:
        terms = [term.strip() for term in pattern.split(",")]
    elif _HOST_AND_PORT.fullmatch(pattern) or "::" in pattern or pattern.count(":") > 6:
        raise PatternError(f"{pattern[:_SHOWN]!r} may be an address with a port: separate the terms with commas")
    else:
        terms = _TERM.findall(pattern)
    for term in terms:
        bare = term.lstrip("&!")
        if bare[0] in "~@" or len(term) - len(bare) > 1:
            kinds = {"~": "regular expressions", "@": "files of hosts"}
            raise PatternError(
                f"{term[:_SHOWN]!r}: {kinds.get(bare[0], 'two signs')} can't be read without ansible-core"
            )
        if _SUBSCRIPT.fullmatch(bare):
            raise PatternError(
                f"{term[:_SHOWN]!r}: subscripts can't be read without ansible-core; a glob such as pi00[1-3]* can"
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
            raise PatternError(f"{bare[:_SHOWN]!r} is no host and no group")
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
