"""What lies around a locustfile and is not used, or does not exist on real nodes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from master.errors import InputError
from master.project.checks.all_checks import raise_refused
from master.project.checks.environment_checks import (
    check_configuration,
    check_environment,
    check_misspelt,
    check_shadowed,
    check_variables,
)
from master.project.checks.finding import Finding, Severity, refused, warned
from master.project.checks.source_checks import Source

REFUSED, WARNED = Severity.REFUSED, Severity.WARNED


def source(file: Path, text: str) -> Source:
    return Source(file, ast.parse(text))


def test_variables_that_choose_tasks_are_refused_and_locusts_others_told() -> None:
    """Environment variables that choose tasks, as LOCUST_TAGS, are refused; others of Locust's are warned of, as users
    are the scenario's.
    """
    found = check_environment({"LOCUST_TAGS": "good", "LOCUST_USERS": "5", "PATH": "/bin"})
    assert [(finding.severity, finding.what.split()[0]) for finding in found] == [
        (REFUSED, "LOCUST_TAGS"),
        (WARNED, "LOCUST_USERS"),
    ]


def test_variables_that_look_like_one_of_locusts_are_told_of() -> None:
    """Those that the locustfile reads, and those that are quite different, are not."""
    found = check_misspelt(
        dict.fromkeys(("LOCUST_USERZ", "LOCUST_RUNTIME", "LOCUST_USER", "LOCUST_TENANT", "LOCUST_HOST"), "1"),
        {"LOCUST_USER"},
    )
    assert [str(finding) for finding in found] == [
        "LOCUST_RUNTIME is set, and Locust has no such variable. Did you mean LOCUST_RUN_TIME?",
        "LOCUST_USERZ is set, and Locust has no such variable. Did you mean LOCUST_USERS?",
    ]


def test_locusts_configuration_files_are_told_of(tmp_path: Path) -> None:
    """Each of the three configuration files that Locust would read is warned of."""
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
    "text", ["from master import PATH", "import worker.reading", "from worker import PATH", "import worker.nowhere"]
)
def test_a_module_that_piswarms_own_hides_is_refused(tmp_path: Path, text: str) -> None:
    """A module beside the locustfile with the name of a package of piswarm's, whose import would find that package, is refused."""
    for package in ("master", "worker"):
        (tmp_path / f"{package}.py").write_text("PATH = '/'\n", encoding="utf-8")
    (finding,) = check_shadowed(source(tmp_path / "own.py", text), [tmp_path])
    assert (finding.severity, finding.line) == (REFUSED, 1)
    assert text.split()[1].partition(".")[0] in finding.what


def test_piswarms_own_users_may_be_imported_beside_a_module_of_that_name(tmp_path: Path) -> None:
    """Piswarm's own users can be imported beside a module named `worker`, since the package is what is found."""
    (tmp_path / "worker.py").write_text("", encoding="utf-8")
    assert (
        check_shadowed(
            source(tmp_path / "own.py", "from worker.http import HttpUser\nfrom worker import pacing"), [tmp_path]
        )
        == []
    )
    assert check_shadowed(source(tmp_path / "sub" / "own.py", "from master import x"), [tmp_path / "sub"]) == []


def test_variables_that_real_nodes_do_not_have_are_told() -> None:
    """Environment variables that a locustfile reads and that are set here are warned of, apart from those its own options name."""
    read = source(
        Path("/project/own.py"),
        "import os\na, b, c, d = map(os.getenv, 'abcd')\nx = os.getenv('A'), os.getenv('B'), os.getenv('C')",
    )
    found = check_variables([read], {"A": "1", "B": "2", "PATH": "/bin"}, {"B"})
    assert [(finding.severity, finding.what.split()[3], finding.line) for finding in found] == [(WARNED, "A", 3)]


def test_all_refusals_come_at_once_and_nothing_else_does() -> None:
    """All refusals are reported in one message, without the warnings, so that they need not be fixed one by one."""
    found = [refused("one", "Do this."), warned("two", "Do that."), refused("three", "Do.", Path("a.py"), 3)]
    with pytest.raises(InputError) as caught:
        raise_refused(found)
    assert "one. Do this." in caught.value.message
    assert "a.py:3: three. Do." in caught.value.message
    assert "two" not in caught.value.message
    assert raise_refused([Finding(WARNED, "two", "Do that.")]) == ["two. Do that."]
