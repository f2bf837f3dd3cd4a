"""junit.xml, read back as a CI system reads it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from report_example import HOSTILE, nothing, result

from master.judge.result import Load, Missed, Result
from master.report.junit import write_junit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "junit.xml"


def read(result: Result, path: Path) -> ET.Element:
    write_junit(result, path)
    root = ET.parse(path).getroot()
    for element in (root, *root.iter("testsuite")):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert element.get(attribute) == str(len(list(element.iter(tag)))), attribute
    return root


def outcomes(root: ET.Element, suite: str) -> dict[str | None, list[str]]:
    cases = root.findall(f"testsuite[@name='{suite}']/testcase")
    return {case.get("name"): [child.tag for child in case] for case in cases}


def test_a_broken_threshold_is_a_failure(path: Path) -> None:
    """Each threshold is a test case, and a broken one is a failure with its message and what was observed."""
    root = read(result("FAIL"), path)
    assert outcomes(root, "thresholds") == {"p95 < 50 ms": [], "errors < 5 %": ["failure"]}
    (failure,) = root.findall("testsuite[@name='thresholds']/testcase/failure")
    assert (failure.get("message"), failure.text) == ("errors was 25 %, above 5 %", "observed 25 %")
    assert root.find("testsuite/testcase[@classname='piswarm.example.thresholds']") is not None
    assert root.get("name") == "piswarm"


def test_an_unfit_generator_fails_and_judges_nothing(path: Path) -> None:
    """Of an INVALID run the validity checks fail, and every threshold is skipped, broken or not."""
    root = read(result("INVALID"), path)
    assert outcomes(root, "thresholds") == {"p95 < 50 ms": ["skipped"], "errors < 5 %": ["skipped"]}
    assert outcomes(root, "validity") == {"node_cpu": [], "loop_lag_p99": ["failure"]}
    assert {element.get("message") for element in root.iter("skipped")} == {"not judged: the generator was not fit"}
    (failure,) = root.iter("failure")
    assert "pi1, pi2" in (failure.text or "")


def test_what_is_unknown_of_a_rule_is_an_error(path: Path) -> None:
    """A rule that is unknown is an error and not the target's failure; rules that were judged are reported as usual."""
    unsure = result("INVALID")
    unsure.thresholds[1].ok, unsure.thresholds[1].message = None, "unknown, since all was set apart"
    unsure.validity.pop()
    root = read(unsure, path)
    assert outcomes(root, "thresholds") == {"p95 < 50 ms": [], "errors < 5 %": ["error"]}
    assert next(root.iter("error")).get("message") == "unknown, since all was set apart"


def test_a_check_that_is_unknown_by_our_own_fault_is_an_error_and_one_without_a_sensor_is_skipped(path: Path) -> None:
    unknown = result("INVALID")
    for row, fault in zip(unknown.validity, (True, False), strict=True):
        row.ok, row.fault = None, fault
    unknown.faults.append("the nodes that were unfit: unknown, a fault of piswarm's own: KeyError")
    root = read(unknown, path)
    assert outcomes(root, "validity") == {"node_cpu": ["error"], "loop_lag_p99": ["skipped"]}
    assert outcomes(root, "run") == {"fault": ["error"]}


def test_an_aborted_run_is_an_error(path: Path) -> None:
    """A run that was aborted is an error even when it has no row at all, so that CI turns red."""
    root = read(nothing(), path)
    assert outcomes(root, "run") == {"run": ["error"]}
    (error,) = root.iter("error")
    assert error.get("message") == "The target did not answer."
    assert (root.get("tests"), root.get("errors")) == ("1", "1")


def test_a_run_that_passed_has_no_fault(path: Path) -> None:
    """A run with the verdict PASS has neither failures nor errors."""
    passed = result()
    passed = msgspec.structs.replace(passed, thresholds=passed.thresholds[:1], validity=passed.validity[:1])
    root = read(passed, path)
    assert {child for children in outcomes(root, "thresholds").values() for child in children} == set()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "0", "0")


def test_what_xml_can_not_hold_is_left_out(path: Path) -> None:
    """Control characters and lone surrogates are left out, since no parser would read a file with them."""
    hostile = result("FAIL")
    hostile.thresholds[1].rule = f"GET {HOSTILE}\x1b\ufffe\udcff p95 < 1 ms"
    hostile.thresholds[1].message = "line 1\nline 2 \x08"
    root = read(hostile, path)
    names = [case.get("name") for case in root.iter("testcase")]
    assert f"GET {HOSTILE} p95 < 1 ms".replace("\x00", "") in names
    assert next(failure.get("message") for failure in root.iter("failure")) == "line 1\nline 2 "


def test_what_became_of_arrivals_is_a_property_in_the_open_model_alone(path: Path) -> None:
    """CI reads what was offered and started as properties; what is unknown is none."""
    what = result("PASS")
    properties = read(what, path).findall("testsuite[@name='thresholds']/properties/property")
    assert not [row.get("name") for row in properties if "arrivals" in str(row.get("name"))]
    missed = Missed(total=None, no_free_user=3, while_unfit=0, given_up=0, lost=None)
    what.load = Load(model="open", offered=100, started=97, missed=missed, late=0)
    properties = read(what, path).findall("testsuite[@name='thresholds']/properties/property")
    found = {row.get("name"): row.get("value") for row in properties}
    assert {name: value for name, value in found.items() if name and name.startswith(("load", "arrivals"))} == {
        "load": "open",
        "arrivals_offered": "100",
        "arrivals_started": "97",
        "arrivals_late": "0",
    }
