"""Secret values are in nothing that leaves a worker: not in errors, exceptions, names, logs or tracebacks."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest

from worker import secret_values
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.secret_values import Mask, keep_secret, without_secrets


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_values, "_kept", {})
    monkeypatch.setattr(secret_values, "_mask", Mask({}))


def test_a_report_has_names_in_place_of_secret_values() -> None:
    """Names of endpoints, errors and exceptions have the variable's name where its value was; short values are left alone."""
    keep_secret({"TOKEN": "sesame", "FLAG": "1"})
    recorder = Recorder(LoopLag())
    recorder.record("GET", "/page?token=sesame", 1.0, 0)
    recorder.record("GET", "/1", 1.0, 0, error=ValueError("no sesame"))
    recorder.note_exception("Visitor", KeyError("sesame"), None)
    report = recorder.make_report({}, final=True)
    assert sorted(each.name for second in report.seconds for each in second.endpoints) == ["/1", "/page?token=[TOKEN]"]
    assert [row.error for row in report.errors] == ["no [TOKEN]"]
    assert [row.message for row in report.exceptions] == ["'[TOKEN]'"]


def test_secrets_are_masked_in_any_form_in_which_text_has_them() -> None:
    """A secret is found within a word, as a part of a URL, line by line, and before a shorter one that begins like it."""
    mask = Mask(
        {"A": "sesame", "B": "sesame open", "URL": "a b&c=d", "KEY": "first\nsecond line", "NONE": "", "D": "abc"}
    )
    assert mask("xsesamex, sesame open!") == "x[A]x, [B]!"
    assert mask("/?token=a%20b%26c%3Dd&x") == "/?token=[URL]&x"
    assert mask("first, second line: first\nsecond line") == "[KEY], [KEY]: [KEY]"
    assert mask("abc def") == "abc def"


@pytest.mark.parametrize("secret", ["back\\slash", 'double"quote', "single'quote", "bo'th\"of\\them", "tab\there ü/+ "])
def test_secrets_are_masked_where_text_has_them_quoted(secret: str) -> None:
    """An exception shows a value as Python quotes it, alone or within other text, an answer as JSON does, and an address in its own way."""
    mask = Mask({"TOKEN": secret})
    for text in (
        str(KeyError(secret)),
        repr({"header": f"Bearer {secret}"}),
        repr(f"it's {secret}"),
        repr(f'"it\'s" {secret}'),
        json.dumps([secret]),
        json.dumps([secret], ensure_ascii=False),
        urlencode({"token": secret}),
        quote(secret),
    ):
        assert secret[:4] not in mask(text)
        assert "[TOKEN]" in mask(text)


def test_without_secrets_nothing_is_changed() -> None:
    """A process without secret variables keeps its texts as they are; variables that are named later are secret, too."""
    keep_secret({})
    assert without_secrets("sesame mellon") == "sesame mellon"
    keep_secret({"TOKEN": "sesame"})
    keep_secret({"OTHER": "mellon"})
    assert without_secrets("sesame mellon") == "[TOKEN] [OTHER]"
