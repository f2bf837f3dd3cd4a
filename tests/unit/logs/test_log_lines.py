"""The lines of a process's log have time and source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.log_lines import NOBODY, LogLine, format_line, parse_line, secrets_of


@given(
    st.floats(0, 4e9), st.from_regex(r"\A[a-z0-9.-]{1,60}(_[0-7])?\Z"), st.text(st.characters(exclude_characters="\n"))
)
def test_a_line_says_what_was_written(at_s: float, source: str, text: str) -> None:
    """A line that is read again has its source and text, and its time to the millisecond."""
    written = format_line(LogLine(at_s, source, text))
    assert written.endswith("\n")
    read = parse_line(written[:-1])
    assert read[1:] == (source, text)
    assert read.at_s is not None
    assert abs(read.at_s - at_s) < 0.002


@given(st.text())
def test_any_other_line_is_all_text(text: str) -> None:
    """What was not written so is a text without time and source."""
    assert parse_line(text) == LogLine(None, NOBODY, text)
    assert parse_line(f"2026-02-40T00:00:00.000Z pi1_0 | {text}").at_s is None


def test_secrets_of_a_run_are_its_environment_and_its_targets_password() -> None:
    """What no log may tell are values of named environment variables, and the password of the target's accounts."""
    assert secrets_of({"TOKEN": "sesame"}, "hush-hush") == {"TOKEN": "sesame", "the target's password": "hush-hush"}
