"""Secret values are in nothing that leaves a worker: not in errors, exceptions, names, logs or tracebacks."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from worker import secret_values
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.secret_values import keep_secret, without_secrets


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_values, "_values", {})
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


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


def test_the_output_of_the_process_has_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged, with its traceback, and what is printed shows the names, too."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    keep_secret({"TOKEN": "sesame"})
    keep_secret({"OTHER": "mellon"})
    error = ValueError("sesame")
    logging.getLogger("own").error("tried %s", "mellon", exc_info=error)
    sys.stdout.write("sesame\n")
    sys.stderr.writelines(["open ", "sesame"])
    said = sys.stderr.getvalue()  # type: ignore[attr-defined]  # a StringIO's
    assert "tried [OTHER]" in said
    assert "ValueError: [TOKEN]" in said
    assert said.endswith("open [TOKEN]")
    assert sys.stdout.getvalue() == "[TOKEN]\n"  # type: ignore[attr-defined]


def test_without_secrets_nothing_is_changed() -> None:
    """A process without secret variables keeps its output and texts as they are."""
    stream = sys.stderr
    keep_secret({})
    assert (without_secrets("sesame"), sys.stderr) == ("sesame", stream)
