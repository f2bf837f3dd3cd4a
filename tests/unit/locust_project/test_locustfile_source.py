"""Faults found in a locustfile's source, before anything is started."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from master.project.checks.finding import Severity, refused
from master.project.checks.source_checks import Source, check_source, files_named, imports_of, variables_read

FILE = Path("/project/own.py")
REFUSED, WARNED = Severity.REFUSED, Severity.WARNED


def source(text: str) -> Source:
    return Source(FILE, ast.parse(dedent(text)))


def findings_in(text: str) -> list[tuple[Severity, int | None]]:
    return [(finding.severity, finding.line) for finding in check_source(source(text))]


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("self.environment.runner.start(10, spawn_rate=2)", REFUSED),
        ("print(self.environment.stats.total.num_requests)", WARNED),
        ("ok = type(environment.runner) is WorkerRunner", REFUSED),
        ("ok = environment.runner.__class__.__name__ == 'MasterRunner'", REFUSED),
        ("master = '--master' in sys.argv", WARNED),
    ],
)
def test_what_is_not_done_here_is_found_where_it_stands(text: str, severity: Severity) -> None:
    """Unsupported features of Locust are refused where load or verdict would differ, and warned of where they have no effect."""
    findings = check_source(source(text))
    assert [finding.severity for finding in findings] == [severity], findings
    assert findings[0].line in {1, 2}
    assert str(findings[0]).startswith(f"/project/own.py:{findings[0].line}: ")


@pytest.mark.parametrize(
    "text",
    [
        "events.request.add_listener(note)",
        "events.worker_report.add_listener(merge)",
        "environment.runner.register_message('names', take)",
        "environment.process_exit_code = 1",
        "environment.runner.quit()",
        "print(environment.stats.total.num_requests)",
        "if not isinstance(environment.runner, WorkerRunner):\n  create()",
        "events.quitting.add_listener(note)",
        "events.init_command_line_parser.add_listener(add)",
        "socket.send_message('x')",
        "self.stats.total",
        "worker.quit()",
        "code = environment.process_exit_code",
        "if __name__ == '__main__':\n  environment.runner.quit()\n  events.worker_report.add_listener(note)",
        "if isinstance(environment.runner, WorkerRunner):\n  read()",
    ],
)
def test_what_is_honoured_or_is_none_of_locusts_is_not_found(text: str) -> None:
    """Supported features, and names that are not Locust's, are not found, since a needless warning hides those that matter."""
    assert findings_in(text) == []


def test_environment_variables_are_found_by_each_way_to_read_them() -> None:
    """Every way to read an environment variable is found, with the first line that does."""
    text = """
    import os
    A = os.environ["A"]
    B = os.environ.get("B", "x")
    C = os.getenv("C") or environ["A"]
    D = os.environ[name]
    """
    assert variables_read(source(text)) == {"A": 3, "B": 4, "C": 5}


def test_files_are_found_by_strings_that_name_one(tmp_path: Path) -> None:
    """Files are found by strings that name one relative to the locustfile's folder; a URL's path is none."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "people.csv").write_text("ann\n", encoding="utf-8")
    text = """
    rows = open("data/people.csv")
    path = ["/data/people.csv", "data", "nobody.csv", "", "a" * 300, "nul\\0"]
    """
    assert files_named(source(text), [tmp_path]) == {tmp_path / "data" / "people.csv": 2}


def test_imports_are_read_with_what_they_take() -> None:
    """Imports are found with the names that they import, without relative ones, which are of the operator's own package."""
    text = "import os, master.data\nfrom worker.http import HttpUser, x\nfrom . import helpers\n"
    assert list(imports_of(source(text))) == [
        ("os", (), 1),
        ("master.data", (), 1),
        ("worker.http", ["HttpUser", "x"], 2),
    ]


def test_a_finding_shows_what_a_terminal_would_obey() -> None:
    """A finding escapes control characters, since anybody may have written the locustfile."""
    finding = refused("the option --\x1b[2J is not known", "Take it out.", Path("a\nb.py"), 3)
    assert str(finding) == r"a\nb.py:3: the option --\x1b[2J is not known. Take it out."
