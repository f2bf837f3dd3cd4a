"""Escaping of foreign text for output: terminals obey control characters, and readers are misled by hidden ones.

It is for the place where foreign text enters (a file, a message, an exception), so that later output need not care.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""`text` as one line in which everything can be seen: `\x1b` for the escape character, `\u202e` for the one that turns text.

    Escaped is what Unicode counts as control, format, surrogate, private, unassigned, or a separator other than the space (categories
    C and Z). A backslash stays as it is, so that text that was made printable stays the same when it is done again.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """`printable`, with the ends of lines and tabs kept: for tracebacks and other text of several lines."""
    if text.isprintable():
        return text
    return "".join(letter if letter in "\n\t" else _shown(letter) for letter in text.replace("\r\n", "\n"))


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]
