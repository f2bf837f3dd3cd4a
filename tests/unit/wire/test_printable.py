"""Foreign text is made harmless to show, and what can be seen stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.printable import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /items/[id]?q=ü 漢字 😀 \\n", "GET /items/[id]?q=ü 漢字 😀 \\n"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\0b", r"a\x00b"),
        ("evil\u202etxt.exe", r"evil\u202etxt.exe"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\ufefftext", r"\ufefftext"),
        ("half \ud83d", r"half \ud83d"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("no\xa0break", r"no\xa0break"),
        ("\x9b31m", r"\x9b31m"),
        ("two\nlines\r\nand\ta tab\u2028", r"two\nlines\r\nand\ta tab\u2028"),
    ],
)
def test_what_cannot_be_seen_is_escaped_and_the_rest_kept(text: str, shown: str) -> None:
    """Hidden characters are escaped, and letters of every script, symbols and spaces stay."""
    assert printable(text) == shown


def test_ends_of_lines_stay_where_text_has_lines() -> None:
    """Line ends and tabs stay where text has lines; other control characters, a lone carriage return among them, are escaped."""
    assert printable_lines("a\tb\r\nc\x1b[0m\rd\u2029") == "a\tb\nc\\x1b[0m\\rd\\u2029"


@given(st.text(st.characters()))
def test_nothing_hidden_is_left_and_doing_it_again_changes_nothing(text: str) -> None:
    """Any text becomes one line that can be encoded and has no hidden characters, and a second time changes nothing."""
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert printable_lines(printable_lines(text)) == printable_lines(text)
    shown.encode()
