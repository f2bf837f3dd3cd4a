"""Environment files as systemd's EnvironmentFile= and a POSIX shell's `.` read them alike. Pure.

Both know more than this, and differ in it: systemd takes what follows a value as part of it, joins quoted pieces otherwise, skips lines
that begin with `;`, and expands nothing. So a value is one word of harmless characters, or quoted as a whole; all else is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,-]*")
_ESCAPED = '"\\$`'
"""What a backslash takes its meaning from inside of double quotes, for both."""
_DOUBLE = re.compile(r'"((?:[^"\\$`]|\\["\\$`])*)"')
_NO_ASSIGNMENT = "is neither NAME=value nor a comment that begins with #"
_SINGLE = re.compile(r"'([^']*)'")


@dataclass(frozen=True)
class Assignment:
    """A line that sets a variable."""

    line: int
    name: str
    value: str


@dataclass(frozen=True)
class LineFault:
    """What is wrong with a line, or with the whole file (0)."""

    line: int
    text: str
    name: str = ""


def quote(value: str) -> str:
    """`value` as both read it. Raises ValueError for control characters, which systemd refuses, or takes for a line's end."""
    if not value.isprintable():
        raise ValueError("has a control character, or another that can't be printed")
    if value and _PLAIN.fullmatch(value):
        return value
    return '"' + "".join(f"\\{each}" if each in _ESCAPED else each for each in value) + '"'


def parse(text: str) -> tuple[list[Assignment], list[LineFault]]:
    """The assignments of a file, each name once, and what is wrong with other lines. No fault repeats a value."""
    found: dict[str, Assignment] = {}
    faults: list[LineFault] = []
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip(" \t") or content.lstrip(" \t").startswith("#"):
            if content.endswith("\\"):  # for systemd the next line goes on with the comment
                faults.append(LineFault(line, "ends with a backslash, with which systemd reads on in the next line"))
            continue
        name, equals, raw = content.partition("=")
        if not equals or not _NAME.fullmatch(name):
            faults.append(LineFault(line, _no_assignment(name) if equals else _NO_ASSIGNMENT))
            continue
        value = _unquote(raw)
        if name in found:
            faults.append(LineFault(line, f"set twice (first on line {found[name].line})", name))
        elif isinstance(value, LineFault):
            faults.append(LineFault(line, value.text, name))
            found[name] = Assignment(line, name, "")
        else:
            found[name] = Assignment(line, name, value)
    broken = {fault.name for fault in faults}
    return [each for each in found.values() if each.name not in broken], faults


def _no_assignment(name: str) -> str:
    if name.startswith("export "):
        return "begins with export, which systemd does not know: write NAME=value"
    if name != name.strip() and _NAME.fullmatch(name.strip()):
        return f"has a space around {name.strip()!r}: write NAME=value"
    return _NO_ASSIGNMENT


def _unquote(raw: str) -> str | LineFault:
    text = raw.rstrip(" \t")
    if not text.isprintable():
        return LineFault(0, "has a control character, or another that can't be printed")
    if _PLAIN.fullmatch(text):
        return text
    if found := _SINGLE.fullmatch(text):
        return found[1]
    if found := _DOUBLE.fullmatch(text):
        return re.sub(r"\\(.)", r"\1", found[1])
    return LineFault(
        0,
        "is read differently by systemd and by a shell: put all of it into double quotes,"
        ' with a backslash before each of " \\ $ `',
    )
