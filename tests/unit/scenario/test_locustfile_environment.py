"""What surrounds a locustfile and is not used, or is not there on real nodes."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from locust import User

from master.errors import InputError
from master.locustfile.checks import raise_refused
from master.locustfile.environment_checks import (
    check_configuration,
    check_environment,
    check_packages,
    check_shadowed,
    check_shipped,
    check_variables,
)
from master.locustfile.finding import Finding, Severity, refused, warned
from master.locustfile.import_checks import Imported, check_users
from master.locustfile.source_checks import Source
from worker.wire.messages import UserShare

REFUSED, WARNED = Severity.REFUSED, Severity.WARNED
TARGET = "http://target.test:80"


def source(file: Path, text: str) -> Source:
    return Source(file, ast.parse(text))


def users_of(**classes: dict[str, Any]) -> Imported:
    made = {name: type(name, (User,), attributes) for name, attributes in classes.items()}
    return Imported(Path("/project/own.py"), made, [])


def test_variables_that_choose_tasks_are_refused_and_locusts_others_told() -> None:
    """With LOCUST_TAGS Locust's load is another one; how many users run the scenario says."""
    found = check_environment({"LOCUST_TAGS": "good", "LOCUST_USERS": "5", "PATH": "/bin"})
    assert [(finding.severity, finding.what.split()[0]) for finding in found] == [
        (REFUSED, "LOCUST_TAGS"),
        (WARNED, "LOCUST_USERS"),
    ]


def test_locusts_configuration_files_are_told_of(tmp_path: Path) -> None:
    """Each of the three that Locust would read."""
    assert check_configuration([tmp_path, tmp_path / "none"]) == []
    (tmp_path / "locust.conf").write_text("users = 5\n", encoding="utf-8")
    (tmp_path / ".locust.conf").write_text("", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.locust]\nusers = 5\n", encoding="utf-8")
    found = check_configuration([tmp_path, tmp_path])
    assert [(finding.severity, finding.file.name) for finding in found if finding.file] == [
        (WARNED, ".locust.conf"),
        (WARNED, "locust.conf"),
        (WARNED, "pyproject.toml"),
    ]


@pytest.mark.parametrize(
    "text", ["from master import PATH", "import worker.data", "from worker import PATH", "import worker.nowhere"]
)
def test_a_module_that_piswarms_own_hides_is_refused(tmp_path: Path, text: str) -> None:
    """Its import finds piswarm's, and fails with a word that helps nobody."""
    for package in ("master", "worker"):
        (tmp_path / f"{package}.py").write_text("PATH = '/'\n", encoding="utf-8")
    (finding,) = check_shadowed(source(tmp_path / "own.py", text))
    assert (finding.severity, finding.line) == (REFUSED, 1)
    assert text.split()[1].partition(".")[0] in finding.what


def test_piswarms_own_users_may_be_imported_beside_a_module_of_that_name(tmp_path: Path) -> None:
    """What is asked for is what is found."""
    (tmp_path / "worker.py").write_text("", encoding="utf-8")
    assert (
        check_shadowed(source(tmp_path / "own.py", "from worker.http import HttpUser\nfrom worker import pacing")) == []
    )
    assert check_shadowed(source(tmp_path / "sub" / "own.py", "from master import x")) == []


def test_what_real_nodes_do_not_get_is_refused_by_name(tmp_path: Path) -> None:
    """They get the locustfile alone: a module, a file that its import has read, one that its strings name."""
    own, helper, read, named = (tmp_path / name for name in ("own.py", "helper.py", "read.csv", "named.csv"))
    for file in (own, helper, read, named):
        file.write_text("", encoding="utf-8")
    found = check_shipped(
        [source(own, "import helper\nopen('named.csv')\nopen('own.py')\n")], {"helper": helper}, [read], [tmp_path]
    )
    assert {finding.severity for finding in found} == {REFUSED}
    assert [(finding.what.split(",")[0], finding.line) for finding in found] == [
        (f"imports helper from {helper}", 1),
        (f"reads {named}", 2),
        (f"reads {read}", None),
    ]


def test_variables_that_real_nodes_do_not_have_are_told() -> None:
    """Those that are set here; without, it is the same everywhere. What own options name is sent along."""
    read = source(
        Path("/project/own.py"),
        "import os\na, b, c, d = map(os.getenv, 'abcd')\nx = os.getenv('A'), os.getenv('B'), os.getenv('C')",
    )
    found = check_variables([read], {"A": "1", "B": "2", "PATH": "/bin"}, {"B"})
    assert [(finding.severity, finding.what.split()[3], finding.line) for finding in found] == [(WARNED, "A", 3)]


def test_packages_that_releases_do_not_bring_are_told() -> None:
    """What piswarm or Locust itself needs is on every node."""
    read = source(
        Path("/project/own.py"),
        "import os, requests, msgspec, locust, no_such_thing\nfrom gevent.pool import Pool\nimport pydantic\n",
    )
    assert [(finding.severity, finding.what.split()[0], finding.line) for finding in check_packages([read])] == [
        (WARNED, "pydantic", 3)
    ]


def test_the_one_host_of_the_classes_is_told_of_where_it_is_not_the_target() -> None:
    """As with Locust's --host."""
    imported = users_of(A={"host": "http://other.test"}, B={}, C={"host": "http://unused.test"})
    users = {"A": UserShare(weight=1), "B": UserShare(weight=1)}
    (finding,) = check_users(imported, users, TARGET)
    assert (finding.severity, "http://other.test" in finding.what, TARGET in finding.remedy) == (WARNED, True, True)
    assert check_users(users_of(A={"host": TARGET + "/"}, B={}), users, TARGET) == []


def test_several_hosts_are_refused() -> None:
    """All load would go to one of them."""
    imported = users_of(A={"host": "http://a.test"}, B={"host": TARGET})
    (finding,) = check_users(imported, {"A": UserShare(weight=1), "B": UserShare(weight=1)}, TARGET)
    assert finding.severity is REFUSED
    assert "A http://a.test" in finding.what


@pytest.mark.parametrize(
    ("own", "given", "told"),
    [
        ((1, 1), (3, 1), False),
        ((3, 1), (3, 1), False),
        ((3, 1), (6, 2), False),
        ((3, 1), (1, 1), True),
        ((1, 3), (1, 1), True),
    ],
)
def test_weights_of_classes_are_told_of_where_the_scenarios_are_others(
    own: tuple[int, int], given: tuple[int, int], told: bool
) -> None:
    """The scenario decides; classes that have none said nothing."""
    imported = users_of(A={"weight": own[0]}, B={"weight": own[1]})
    users = {"A": UserShare(weight=given[0]), "B": UserShare(weight=given[1])}
    assert [finding.severity for finding in check_users(imported, users, TARGET)] == [WARNED] * told


def test_fixed_counts_of_classes_are_told_of_where_the_scenarios_are_others() -> None:
    """In either direction."""
    imported = users_of(A={"fixed_count": 2}, B={})
    assert check_users(imported, {"A": UserShare(fixed_count=2), "B": UserShare(weight=1)}, TARGET) == []
    (finding,) = check_users(imported, {"A": UserShare(weight=1), "B": UserShare(weight=1)}, TARGET)
    assert "A = 2" in finding.what


def test_all_refusals_come_at_once_and_nothing_else_does() -> None:
    """Mending one after the other is tedious."""
    found = [refused("one", "Do this."), warned("two", "Do that."), refused("three", "Do.", Path("a.py"), 3)]
    with pytest.raises(InputError) as caught:
        raise_refused(found)
    assert "one. Do this." in caught.value.message
    assert "a.py:3: three. Do." in caught.value.message
    assert "two" not in caught.value.message
    assert raise_refused([Finding(WARNED, "two", "Do that.")]) == ["two. Do that."]
