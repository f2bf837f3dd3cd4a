"""junit.xml: the outcome of a run as CI systems read it, one test case per threshold and per validity check."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from master.report.result import Result, ThresholdResult, ValidityResult
from master.report.words import listed

# XML 1.0, production 2: everything else can't be in a document, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_UNJUDGED = {
    "INVALID": "not judged: the generator was not fit",
    "ABORTED": "not judged: the run was aborted",
}


def write_junit(result: Result, path: Path) -> None:
    """Write the outcome as JUnit XML. Raises OSError when `path` can't be written.

    A broken threshold fails its test case when the verdict lets one believe what was observed; otherwise it is skipped.
    An aborted run has a test case `run` in error.
    """
    root = ET.Element("testsuites", name="piswarm")
    _suite(root, result, "thresholds", [_threshold(result, row) for row in result.thresholds])
    _suite(root, result, "validity", [_check(result, row) for row in result.validity])
    if result.verdict == "ABORTED":
        _suite(root, result, "run", [_case(result, "run", "run", ("error", result.reason, result.reason))])
    _count(root, list(root.iter("testcase")))
    root.set("time", _seconds(result.duration_s))
    tree = ET.ElementTree(root)
    ET.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _suite(root: ET.Element, result: Result, name: str, cases: list[ET.Element]) -> None:
    suite = ET.SubElement(root, "testsuite", name=name, timestamp=_legal(result.started_at))
    properties = ET.SubElement(suite, "properties")
    for key, value in (
        ("run_id", result.run_id),
        ("verdict", result.verdict),
        ("target", result.target),
        ("simulated", str(result.nodes.simulated).lower()),
    ):
        ET.SubElement(properties, "property", name=key, value=_legal(value))
    suite.extend(cases)
    _count(suite, cases)
    # The rules hold over the whole run, so no case has a time of its own.
    suite.set("time", _seconds(result.duration_s))


def _count(element: ET.Element, cases: list[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))


def _threshold(result: Result, row: ThresholdResult) -> ET.Element:
    observed = f"observed {row.observed_text}"
    if result.verdict in _UNJUDGED:
        return _case(result, "thresholds", row.rule, ("skipped", _UNJUDGED[result.verdict], observed))
    if row.ok:
        return _case(result, "thresholds", row.rule)
    return _case(result, "thresholds", row.rule, ("failure", row.message or f"{row.rule} is broken", observed))


def _check(result: Result, row: ValidityResult) -> ET.Element:
    if row.ok:
        return _case(result, "validity", row.check)
    detail = f"limit {row.limit}, observed {row.observed}"
    if row.ok is None:
        return _case(result, "validity", row.check, ("skipped", row.message, detail))
    if row.nodes:
        detail += f"\nnodes: {listed(row.nodes, 50)}"
    return _case(result, "validity", row.check, ("failure", row.message or f"{row.check} is not kept", detail))


def _case(result: Result, suite: str, name: str, outcome: tuple[str, str, str] | None = None) -> ET.Element:
    """One test case; `outcome` is the element that says it didn't pass: its tag, message and text."""
    case = ET.Element("testcase", classname=_legal(f"piswarm.{result.scenario}.{suite}"), name=_legal(name), time="0")
    if outcome is not None:
        tag, message, detail = outcome
        ET.SubElement(case, tag, message=_legal(message)).text = _legal(detail)
    return case


def _seconds(duration_s: float) -> str:
    return f"{duration_s:.3f}"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", text)
