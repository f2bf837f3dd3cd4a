"""The lines of a process's log have time and source, and no secret that the process was given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.log_lines import MASKED, NOBODY, LogLine, Mask, format_line, parse_line, secrets_of
from worker.wire.messages import Work


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


def test_secrets_are_masked_in_any_form_in_which_text_has_them() -> None:
    """A secret is masked within a word, as a part of a URL, line by line, and before a shorter one that begins like it."""
    mask = Mask(["sesame", "sesame open", "a b&c=d", "first\nsecond line", "", "abc"])
    assert mask("xsesamex") == f"x{MASKED}x"
    assert mask("sesame open!") == f"{MASKED}!"
    assert mask("/?token=a%20b%26c%3Dd&x") == f"/?token={MASKED}&x"
    assert mask("first, second line") == f"{MASKED}, {MASKED}"
    assert mask("abc def") == "abc def"
    assert Mask()("text") == "text"


def test_secrets_of_a_run_are_its_environment_and_its_targets_password() -> None:
    """What no log may tell are values of named environment variables, and the password of the target's accounts."""
    work = Work("r", {}, None, 0, 0.0, environment={"TOKEN": "sesame"}, target_password="hush-hush")  # no real one
    assert secrets_of(work) == ["sesame", "hush-hush"]
