"""What a hostile target says is in reports as text, and secrets are in none."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sarif_kit.validate import validation_errors

from master.audit.audit import presentable
from master.audit.checks.catalogue import CHECKS
from master.audit.command import exit_code
from master.audit.finding import AuditResult, CheckResult, Finding, Outcome, Rule, Severity
from master.audit.formats.document import to_json
from master.audit.formats.html import to_html
from master.audit.formats.junit import to_junit
from master.audit.formats.sarif import to_sarif
from master.audit.formats.text import check_line, summary_lines
from master.errors import ExitCode

RULE = Rule("xss/reflected", "Markup comes back", Severity.HIGH, "Escape it.", ("CWE-79",))
LOW = Rule("tls/soon", "It ends soon", Severity.LOW, "Renew it.", ("CWE-298",))


def result(*checks: CheckResult) -> AuditResult:
    return AuditResult("http://h:1", "127.0.0.1", "2026-01-01T00:00:00+00:00", 1.5, 9, checks, (RULE, LOW))


def check(outcome: Outcome, *findings: Finding, reason: str = "") -> CheckResult:
    return CheckResult("xss", "XSS", outcome, findings, 3, 0.5, reason)


@given(st.text())
def test_any_evidence_can_be_written(text: str) -> None:
    """Whatever the target has answered, each format is well-formed and has it as text."""
    found = result(check(Outcome.FAILED, RULE.found(presentable(text, []))))
    assert json.loads(to_json(found))["checks"][0]["findings"][0]["evidence"] == presentable(text, [])
    assert validation_errors(json.loads(to_sarif(found))) == []
    assert ET.fromstring(to_junit(found, Severity.LOW)).get("failures") == "1"
    assert list(summary_lines(found))


def test_markup_in_evidence_is_text_in_the_page() -> None:
    """The page has no markup of the target's, and no script at all."""
    page = to_html(result(check(Outcome.FAILED, RULE.found("<script>alert(1)</script>")))).decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page


def test_secrets_and_control_characters_are_not_shown() -> None:
    """Secrets are replaced, the longest first; escape sequences are made visible; the text is bounded."""
    assert presentable("a secret-token here\x1b[31m", ["secret", "secret-token"]) == "a *** here\\x1b[31m"
    assert len(presentable("x" * 1_000_000, [])) == 2000


def test_the_pass_rate_is_of_the_checks_that_ended() -> None:
    """Checks that were not run, or not ended, count neither way."""
    found = result(
        check(Outcome.PASSED),
        check(Outcome.FAILED, RULE.found("e")),
        check(Outcome.NOT_RUN, reason="r"),
        check(Outcome.INCOMPLETE, reason="r"),
    )
    assert found.pass_rate == 0.5
    assert "; 1 of 2 checks passed (50%), 2 not run or not ended; " in list(summary_lines(found))[-1]
    assert result(check(Outcome.NOT_RUN)).pass_rate is None


def test_the_exit_status_is_that_of_the_worst() -> None:
    """A finding goes before a check that could not end; a lesser finding fails nothing."""
    incomplete = check(Outcome.INCOMPLETE, reason="r")
    failed, lesser = check(Outcome.FAILED, RULE.found("e")), check(Outcome.FAILED, LOW.found("e"))
    assert exit_code(result(failed, incomplete), Severity.MEDIUM) is ExitCode.FAIL
    assert exit_code(result(lesser, incomplete), Severity.MEDIUM) is ExitCode.INVALID
    assert exit_code(result(lesser), Severity.MEDIUM) is ExitCode.PASS
    assert exit_code(result(lesser), Severity.LOW) is ExitCode.FAIL


def test_junit_tells_failed_skipped_and_broken_checks_apart() -> None:
    """A lesser finding is output of a test case that passes."""
    cases = ET.fromstring(
        to_junit(
            result(
                check(Outcome.FAILED, LOW.found("e")),
                check(Outcome.NOT_RUN, reason="r"),
                check(Outcome.INCOMPLETE, reason="r"),
            ),
            Severity.MEDIUM,
        )
    ).findall("./testsuite/testcase")
    assert [[child.tag for child in case] for case in cases] == [["system-out"], ["skipped"], ["error"]]


def test_sarif_has_each_rule_once_and_findings_point_to_theirs() -> None:
    """Results name their rule by its place in the list."""
    rules = tuple(rule for each in CHECKS for rule in each.rules)
    found = AuditResult(
        "http://h:1", "::1", "2026-01-01T00:00:00+00:00", 1.0, 1, (check(Outcome.FAILED, rules[7].found("e")),), rules
    )
    run = json.loads(to_sarif(found))["runs"][0]
    (one,) = run["results"]
    assert run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"] == rules[7].id


def test_the_worst_finding_is_shown_first() -> None:
    """Findings are sorted by severity, and a check's line names its worst."""
    both = check(Outcome.FAILED, LOW.found("e"), RULE.found("e"))
    assert [finding.rule for finding in result(both).findings] == [RULE, LOW]
    assert "2 found, worst high" in check_line(1, 17, both)


@pytest.mark.parametrize(
    "checks",
    [
        (),
        tuple(check(outcome, reason="" if outcome in {Outcome.PASSED, Outcome.FAILED} else "r") for outcome in Outcome),
        (check(Outcome.INCOMPLETE, RULE.found("e"), LOW.found("e"), reason="r"),),
    ],
)
def test_sarif_keeps_to_its_schema(checks: tuple[CheckResult, ...]) -> None:
    """Whatever became of the checks, the document is one by the schema of OASIS."""
    assert validation_errors(json.loads(to_sarif(result(*checks)))) == []


def test_sarif_of_all_rules_keeps_to_its_schema() -> None:
    """A finding of every rule that there is makes a document by the schema, with the rule at its index."""
    rules = tuple(rule for each in CHECKS for rule in each.rules)
    found = [check(Outcome.FAILED, *(rule.found("e") for rule in rules))]
    document = json.loads(to_sarif(replace(result(*found), rules=rules)))
    assert validation_errors(document) == []
    (run,) = document["runs"]
    listed = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [listed[each["ruleIndex"]] for each in run["results"]] == [each["ruleId"] for each in run["results"]]
    assert len(run["results"]) == len(rules)


def test_a_document_that_is_not_by_the_schema_of_sarif_is_noticed() -> None:
    """The schema does look: a level that there is not, and a rule without an id, are errors."""
    document = json.loads(to_sarif(result(check(Outcome.FAILED, RULE.found("e")))))
    document["runs"][0]["results"][0]["level"] = "bad"
    del document["runs"][0]["tool"]["driver"]["rules"][0]["id"]
    assert len(validation_errors(document)) == 2
