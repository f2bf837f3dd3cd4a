"""The summary in Markdown: what it says, and that nothing in a foreign name means anything in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from compared_runs import stored_run
from markdown_it import MarkdownIt
from markdown_it.token import Token
from report_example import HOSTILE, nothing, result

from master.analysis.compare.files import compare_runs
from master.judge.result import ErrorResult, Floors, Soak, SoakMetric
from master.report.markdown import MAX_ENDPOINTS, append_summary, summary

MARKDOWN = f"| a | `b` **c** _d_ ~~e~~ [f](http://evil/) <b>g</b> \\| &lt; www.evil.example @team #12 :tada: $x$ {HOSTILE}\n## h\r- i"


def tokens(text: str) -> list[Token]:
    """All tokens of the text, those within lines among them, as a reader with GitHub's tables and crossed-out text has them."""
    found = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        found += [token, *(token.children or [])]
    return found


def cells(text: str) -> list[list[str]]:
    """The rows of all tables, as they are read."""
    rows: list[list[str]] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type in {"tr_open", "tr_close"}:
            inside = token.type == "tr_open"
            rows += [[]] * inside
        elif token.type == "inline" and inside:
            texts = (each.content for each in token.children or [] if each.type in {"text", "text_special"})
            rows[-1] = [*rows[-1], "".join(texts)]
    return rows


def test_it_says_the_verdict_why_and_every_rule() -> None:
    """The summary has the verdict, the reason, a row for each threshold and check with their limits, and the endpoints' figures."""
    text = summary(result("FAIL"))
    assert text.startswith("## ❌ FAIL: example\n\nBecause of ")
    rows = cells(text)
    assert ["p95 < 50 ms", "held", "40 ms"] in rows
    assert ["errors < 5 %", "broken", "25 %"] in rows
    assert ["node_cpu", "fit", "20 %", "≤ 90 %", ""] in rows
    assert ["loop_lag_p99", "not fit", "84 ms", "≤ 50 ms", "pi1, pi2, pi3, pi4, pi5 and 2 more"] in rows
    assert ["GET /a", "91", "0", "3.03", "2.00", "2.00", "2.00", "2.00"] in rows
    assert ["GET /never", "0", "0", "0", "–", "–", "–", "–"] in rows


def test_foreign_text_is_text_alone() -> None:
    """Names, errors and reasons with Markdown, HTML, line ends and addresses in them are read as text, each in its own cell."""
    what = result()
    what.reason = what.scenario = what.target = what.run_id = MARKDOWN
    what.endpoints[0].name = what.thresholds[0].rule = MARKDOWN
    what.errors = [ErrorResult(method="GET", name=MARKDOWN, error=MARKDOWN, count=3, first_s=1.0)]
    what.warnings = [MARKDOWN]
    what.validity[1].nodes = [MARKDOWN]
    text = summary(what)
    plain = tokens(summary(result()))
    known = {token.type for token in plain}
    assert {token.type for token in tokens(text)} <= known | {"text_special"}
    assert {token.content for token in tokens(text) if "html" in token.type} == {"<code>", "</code>"}
    assert not [token for token in tokens(text) if token.type.startswith("link")]
    assert {len(row) for row in cells(text)} == {3, 5, 8}
    assert any("| a | `b` **c** _d_" in cell for row in cells(text) for cell in row)
    assert not any(mark in text for mark in ("@team", " #12 ", ":tada:", "www.", "http:", "$x$", "<b>"))


def test_a_run_with_a_baseline_says_what_changed(tmp_path: Path) -> None:
    """The comparison with the baseline is a section of the summary, below the rules."""
    slower = stored_run(tmp_path / "slower", seed=2, slower=1.15, failing=0.03)
    comparison = compare_runs(stored_run(tmp_path / "before"), slower, Floors())
    said = summary(msgspec.structs.replace(result("FAIL"), comparison=comparison))
    assert "### Beside the baseline\n\nWorse than <code>before</code>." in said
    assert said.index("### Was the generator") < said.index("### Beside") < said.index("### Endpoints")
    assert ["POST /login", "p95"] in [row[:2] for row in cells(said)]


def test_a_soak_says_what_drifts() -> None:
    """Each metric that was looked at has a row with what was found of it."""
    metric = SoakMetric(
        metric="p95", of="target", unit="percent", limit_per_day=5.0, floor_per_day=5.0, ok=False, subjects=3,
        unknown_subjects=0, drifting=1, detectable_per_day=1.0, message="p95: GET /x rises by 40 %/day", worst=[],
    )  # fmt: skip
    steady = msgspec.structs.replace(metric, metric="errors", limit_per_day=None, ok=None, drifting=0, message="")
    short = msgspec.structs.replace(steady, metric="node_memory", limit_per_day=1e7, message="the hold is too short")
    soak = Soak(
        verdict="drift", reason="p95 drifts.", hold_from_s=0, hold_to_s=600, warm_up_s=60, block_s=10, blocks=54,
        false_alarm_percent=5.0, metrics=[metric, steady, short],
    )  # fmt: skip
    said = summary(msgspec.structs.replace(result("FAIL"), soak=soak))
    assert "\n\n### Drift: drift\n\np95 drifts.\n\n| drift of |" in said
    for row in (
        ["p95", "drift", "p95: GET /x rises by 40 %/day"],
        ["errors", "no drift", ""],
        ["node_memory", "unknown", "the hold is too short"],
    ):
        assert row in cells(said)


def test_a_run_that_never_began_says_why_and_no_more() -> None:
    """An aborted run that measured nothing has its reason, and no table."""
    text = summary(nothing())
    assert text.startswith("## ⛔ ABORTED: example\n\nThe target did not answer.")
    assert cells(text) == []


def test_very_many_endpoints_are_cut_with_a_word_on_what_is_left() -> None:
    what = result()
    what.endpoints *= MAX_ENDPOINTS
    text = summary(what)
    assert len([row for row in cells(text) if len(row) == 8]) == 1 + MAX_ENDPOINTS
    assert f"{2 * MAX_ENDPOINTS} more endpoints are in the report." in text


def test_a_summary_is_added_to_what_the_file_holds(tmp_path: Path) -> None:
    """Steps of a job write into one file: what another one has written stays, and a blank line is between."""
    file = tmp_path / "summary.md"
    file.write_text("# Build\n", "utf-8")
    append_summary(result(), file)
    append_summary(result("INVALID"), file)
    text = file.read_text("utf-8")
    assert text.startswith("# Build\n\n## ✅ PASS: example\n")
    assert text.index("## ✅") < text.index("\n\n## ⚠️ INVALID: example\n")


@pytest.mark.parametrize("reason", ["half of a pair \udcff", "\x00\x1b[31m"])
def test_what_has_no_utf_8_costs_no_summary(tmp_path: Path, reason: str) -> None:
    what = result()
    what.reason = reason
    append_summary(what, tmp_path / "summary.md")
    assert "PASS" in (tmp_path / "summary.md").read_text("utf-8")
