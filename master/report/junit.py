"""junit.xml: the outcome of a run as CI systems read it, one test case per threshold and per validity check."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from master.formatting import listed
from master.judge.faults import Faults
from master.judge.result import Load, Result, SoakMetric, ThresholdResult, ValidityResult
from worker.atomic_write import atomic_write_public

# XML 1.0, production 2: everything else can't be in a document, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_Outcome = tuple[str, str, str]
"""The element that says that a test case didn't pass: its tag, message and text."""
_Case = tuple[str, _Outcome | None]
"""A test case's name, and what came of it."""

_UNJUDGED = {
    "INVALID": "not judged: the generator was not fit",
    "ABORTED": "not judged: the run was aborted",
}


def write_junit(result: Result, path: Path) -> list[str]:
    """Write the outcome as JUnit XML; what is missing in it by a fault of piswarm's own. Raises OSError when it can't be written.

    A broken threshold fails its test case when the verdict lets one believe what was observed; otherwise it is skipped.
    What is unknown of a rule, or by a fault of piswarm's own, is an error. An aborted run has a test case `run` in error.
    """
    faults = Faults()
    root = faults.attempt("junit.xml", lambda: _document(result), None)
    if root is None:
        root = _only(f"{result.verdict}: {result.reason}", faults.found[0])
    tree = ET.ElementTree(root)
    ET.indent(tree)
    content = io.BytesIO()
    tree.write(content, encoding="utf-8", xml_declaration=True)
    atomic_write_public(path, content.getvalue())
    return faults.found


def _document(result: Result) -> ET.Element:
    of_run: list[_Case] = [("fault", ("error", fault, fault)) for fault in result.faults]
    if result.verdict == "ABORTED":
        of_run.append(("run", ("error", result.reason, result.reason)))
    suites: dict[str, list[_Case]] = {
        "thresholds": [(row.rule, _threshold(result, row)) for row in result.thresholds],
        "validity": [(row.check, _check(result, row)) for row in result.validity],
    }
    if result.soak is not None:
        suites["soak"] = [(row.metric, _drift(row)) for row in result.soak.metrics if row.limit_per_day is not None]
    return _suites(result, suites | ({"run": of_run} if of_run else {}))


def _drift(row: SoakMetric) -> _Outcome | None:
    if row.ok is None:
        return "error", row.message, row.message
    return None if row.ok else ("failure", row.message, row.message)


def _only(said: str, fault: str) -> ET.Element:
    """The least that CI can read: one test case in error."""
    root = ET.Element("testsuites", name="piswarm")
    suite = ET.SubElement(root, "testsuite", name="run")
    cases = [ET.SubElement(suite, "testcase", classname="piswarm.run", name="run", time="0")]
    ET.SubElement(cases[0], "error", message=_legal(said)).text = _legal(fault)
    _count(suite, cases)
    _count(root, cases)
    return root


def _suites(result: Result, suites: Mapping[str, Sequence[_Case]]) -> ET.Element:
    root = ET.Element("testsuites", name="piswarm")
    for name, cases in suites.items():
        _suite(root, result, name, [_case(result, name, *case) for case in cases])
    _count(root, list(root.iter("testcase")))
    root.set("time", _seconds(result.duration_s))
    return root


def _suite(root: ET.Element, result: Result, name: str, cases: list[ET.Element]) -> None:
    suite = ET.SubElement(root, "testsuite", name=name, timestamp=_legal(result.started_at))
    properties = ET.SubElement(suite, "properties")
    for key, value in (
        ("run_id", result.run_id),
        ("verdict", result.verdict),
        ("target", result.target),
        ("simulated", str(result.nodes.simulated).lower()),
        *_load(result.load),
    ):
        ET.SubElement(properties, "property", name=key, value=_legal(value))
    suite.extend(cases)
    _count(suite, cases)
    # The rules hold over the whole run, so no case has a time of its own.
    suite.set("time", _seconds(result.duration_s))


def _load(load: Load) -> list[tuple[str, str]]:
    """The arrivals of the open model; nothing of the closed one. What is unknown is left out."""
    if load.model != "open":
        return []
    missed = None if load.missed is None else load.missed.total
    rows = (("offered", load.offered), ("started", load.started), ("missed", missed), ("late", load.late))
    return [("load", load.model), *((f"arrivals_{name}", str(value)) for name, value in rows if value is not None)]


def _count(element: ET.Element, cases: list[ET.Element]) -> None:
    element.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))


def _threshold(result: Result, row: ThresholdResult) -> _Outcome | None:
    observed = f"observed {row.observed_text}"
    if row.ok is None and result.verdict != "ABORTED":
        return "error", row.message, observed
    unjudged = result.verdict == "ABORTED" or any(check.ok is False or check.fault for check in result.validity)
    if unjudged and result.verdict in _UNJUDGED:
        return "skipped", _UNJUDGED[result.verdict], observed
    return None if row.ok else ("failure", row.message or f"{row.rule} is broken", observed)


def _check(result: Result, row: ValidityResult) -> _Outcome | None:
    if row.ok:
        return None
    detail = f"limit {row.limit_text}, observed {row.observed_text}"
    if row.without_data and result.verdict == "ABORTED":
        return "skipped", row.message, detail
    if row.ok is None:
        return "error" if row.fault else "skipped", row.message, detail
    if row.nodes:
        detail += f"\nnodes: {listed(row.nodes, 50)}"
    return "failure", row.message or f"{row.check} is not kept", detail


def _case(result: Result, suite: str, name: str, outcome: _Outcome | None) -> ET.Element:
    case = ET.Element("testcase", classname=_legal(f"piswarm.{result.scenario}.{suite}"), name=_legal(name), time="0")
    if outcome is not None:
        tag, message, detail = outcome
        ET.SubElement(case, tag, message=_legal(message)).text = _legal(detail)
    return case


def _seconds(duration_s: float) -> str:
    return f"{duration_s:.3f}"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", text)
