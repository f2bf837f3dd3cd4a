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
    ("test", "line"),
    [
        ("not isinstance(environment.runner, WorkerRunner)", 3),
        ("isinstance(environment.runner, MasterRunner)", 3),
        ("isinstance(environment.runner, (MasterRunner, LocalRunner))", 3),
        ("isinstance(self.environment.runner, locust.runners.LocalRunner)", 3),
        ("isinstance(runner, MasterRunner) or isinstance(runner, LocalRunner)", 3),
        ("something and isinstance(runner, MasterRunner)", 3),
        ("type(environment.runner) is MasterRunner", 3),
        ("environment.runner.__class__.__name__ == 'MasterRunner'", 3),
        ("environment.parsed_options.master", 3),
        ("not environment.parsed_options.worker", 3),
        ("isinstance(environment.runner, WorkerRunner)", 5),
        ("not isinstance(environment.runner, MasterRunner)", 5),
        ("type(runner) != LocalRunner", 5),
    ],
)
def test_code_that_runs_on_a_master_alone_is_refused_at_its_first_line(test: str, line: int) -> None:
    """Code for a Locust master alone is refused at its first line, since no locustfile code runs on the controller."""
    text = f"""
    if {test}:
        create()
    else:
        read()
    """
    # the text begins with an empty line, so that create() is on line 3 and read() on line 5
    assert findings_in(text) == [(REFUSED, line)]


@pytest.mark.parametrize(
    "test",
    [
        "isinstance(environment.runner, Mine)",
        "isinstance(environment.runner, (MasterRunner, Mine))",
        "isinstance(user, MasterRunner)",
        "something or isinstance(runner, MasterRunner)",
        "environment.parsed_options.headless",
        "type(runner) in known",
        "runner == other",
    ],
)
def test_what_can_not_be_told_is_left_alone(test: str) -> None:
    """A condition that may be true or false on a worker is left alone."""
    assert findings_in(f"if {test}:\n    create()\nelse:\n    read()\n") == []


def test_what_follows_a_worker_that_leaves_never_runs() -> None:
    """Code after a return on workers, another common way to write code for a master, never runs and is refused."""
    text = """
    def create(environment, **_):
        if isinstance(environment.runner, WorkerRunner):
            return
        for name in names:
            post(name)
    """
    (finding,) = check_source(source(text))
    assert (finding.severity, finding.line) == (REFUSED, 5)
    assert "to line 6" in finding.what


def test_masters_code_within_other_blocks_is_found() -> None:
    """Code for a master is found in loops, with-blocks, handlers and methods."""
    text = """
    class Data:
        def create(self):
            with opened() as file:
                try:
                    pass
                except OSError:
                    while True:
                        if isinstance(self.environment.runner, MasterRunner):
                            file.write("x")
    """
    assert findings_in(text) == [(REFUSED, 10)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("pass", []),
        ("return", []),
        ('"""Only on the master."""', []),
        ("print('master')", [(WARNED, 4)]),
        ("logging.info('master')", [(WARNED, 4)]),
    ],
)
def test_masters_code_that_only_talks_is_told_or_nothing(body: str, expected: list[tuple[Severity, int]]) -> None:
    """Code for a master that only prints or logs is warned of or ignored, since the load is the same without it."""
    text = f"""
    def begin(environment, **_):
        if isinstance(environment.runner, MasterRunner):
            {body}
    """
    assert findings_in(text) == expected


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("events.worker_report.add_listener(merge)", REFUSED),
        ("events.heartbeat_sent.add_listener(note)", WARNED),
        ("environment.runner.register_message('names', take)", REFUSED),
        ("self.environment.runner.send_message('thanks', 1)", REFUSED),
        ("environment.process_exit_code = 1", REFUSED),
        ("environment.runner.quit()", WARNED),
        ("self.environment.runner.start(10, spawn_rate=2)", REFUSED),
        ("print(environment.stats.total.num_requests)", WARNED),
        ("def end(environment):\n  if environment.stats.total.fail_ratio > 0.1: fail()", REFUSED),
        ("def end(environment):\n  assert environment.runner.stats.total.num_failures == 0", REFUSED),
        ("ok = type(environment.runner) is WorkerRunner", REFUSED),
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
