"""The process that imports a project: what it says is in it, and what an import does that must not hold up or end the controller."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from master.errors import InputError
from master.project.process import project_process
from master.project.process.facts import ProjectFacts
from master.project.process.project_process import ProjectProcess
from master.project.process.waiting_process import WaitingProcess, names_project
from master.scenario import LocustProject

LIMIT_S = 3.0
"""Of an import that hangs; the start of the process, and what it imports itself, do not count."""


def inspect(file: Path, text: str, import_limit_s: float = project_process.IMPORT_LIMIT_S) -> ProjectFacts:
    file.write_text(text, encoding="utf-8")
    process = ProjectProcess(LocustProject(file.parent, (file,)), real_nodes=False, import_limit_s=import_limit_s)
    try:
        return process.inspect()
    finally:
        process.close()
        assert not process.log.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "import time\ndef wait():\n    time.sleep(1000)\nwait()\n",
            "its import hangs: after 3 s it is still at own.py:3 in wait: time.sleep(1000)",
            id="waits",
        ),
        pytest.param("while True: pass\n", "it is still at own.py:1: while True: pass", id="loop"),
        pytest.param(
            "import re\nre.match('(a+)+$', 60 * 'a' + 'b')\n",
            "it is still at own.py:2: re.match('(a+)+$', 60 * 'a' + 'b')",
            id="holds the interpreter",
        ),
    ],
)
def test_an_import_that_hangs_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """An import that hangs is refused in words, with the place, and its process is gone."""
    with pytest.raises(InputError) as refused:
        inspect(tmp_path / "own.py", text, LIMIT_S)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("import os\nos._exit(3)\n", "its import has ended the process: exit status 3", id="exit"),
        pytest.param(
            "import sys\nsys.exit(4)\n", "it ends the process: SystemExit: 4 (at own.py:2: sys.exit(4))", id="sys.exit"
        ),
        pytest.param("import os\nos.abort()\n", "its import has ended the process: signal SIGABRT", id="signal"),
        pytest.param("input()\n", "EOFError: EOF when reading a line (at own.py:1: input())", id="input"),
        pytest.param(
            "def halve():\n    1 / 0\nhalve()\n",
            "ZeroDivisionError: division by zero (at own.py:2 in halve: 1 / 0)",
            id="exception",
        ),
        pytest.param(
            "from locust import User\nclass A(User):\n    weight = 'much'\n", "A: its weight is 'much'", id="weight"
        ),
    ],
)
def test_whatever_an_import_does_it_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """An import that ends its process or raises is refused in words, with the place, and its process is gone."""
    with pytest.raises(InputError) as refused:
        inspect(tmp_path / "own.py", text)
    assert says in str(refused.value)


def test_output_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that prints without end is given up before it fills the disk."""
    monkeypatch.setattr(project_process, "MAX_OUTPUT_BYTES", 1 << 20)
    with pytest.raises(InputError, match="has written more than 1 MiB of output"):
        inspect(tmp_path / "own.py", "while True:\n    print(10_000 * 'x')\n")


def test_facts_say_all_that_is_in_a_project(tmp_path: Path) -> None:
    """Classes with all that a scenario asks of them, shapes, modules, files and listeners are known without an import here."""
    (tmp_path / "stock.py").write_text("ITEMS = open('items.csv').read()\n".replace("'items", f"'{tmp_path}/items"))
    (tmp_path / "items.csv").write_text("1\n")
    facts = inspect(
        tmp_path / "own.py",
        """
from locust import HttpUser, LoadTestShape, TaskSet, User, events, tag, task
from worker import http
import stock
print("a word")

@events.test_start.add_listener
def start(environment, **_): pass

class Shop(http.HttpUser):
    weight, host = 3, "http://shop.test"

    @task
    class Buying(TaskSet):
        @tag("slow")
        @task
        def buy(self): pass

        @task
        def look(self): pass

class Idle(User):
    fixed_count = 2

class Looping(User):
    def run(self): pass

class Steps(LoadTestShape):
    def tick(self): return None
""",
    )
    shop, idle = facts.by_name["Shop"], facts.by_name["Idle"]
    assert (shop.weight, shop.host, shop.has_tasks, shop.makes_spans, shop.task_tags) == (
        3,
        "http://shop.test",
        True,
        True,
        {frozenset({"slow"}), frozenset()},
    )
    assert (idle.fixed_count, idle.has_tasks, idle.host) == (2, False, None)
    assert facts.unfit_users.with_own_loop == {"Looping"}
    assert [shape.name for shape in facts.shapes] == ["Steps"]
    assert facts.modules == {"stock": tmp_path / "stock.py"}
    assert facts.opened == {tmp_path / "items.csv"}
    assert "test_start" in facts.listens


def test_the_process_ends_with_the_controller(tmp_path: Path) -> None:
    """A controller that is killed leaves no project process behind: its standard input closes, and it ends."""
    (tmp_path / "own.py").write_text("from locust import User\nclass A(User): pass\n", encoding="utf-8")
    process = ProjectProcess(LocustProject(tmp_path, (tmp_path / "own.py",)), real_nodes=False)
    try:
        process.inspect()
        process.child.ask_to_end()
        assert process.child.wait(20)
    finally:
        process.close()


def test_a_process_that_waits_imports_the_project_that_it_is_handed(tmp_path: Path) -> None:
    """From then on it is the project's to close, and its own `close` leaves it alone."""
    file = tmp_path / "own.py"
    file.write_text("from locust import User\nclass Shop(User): ...\n")
    waiting = WaitingProcess()
    process = ProjectProcess(LocustProject(tmp_path, (file,)), real_nodes=False, waiting=waiting)
    try:
        waiting.close()
        assert list(process.inspect().by_name) == ["Shop"]
    finally:
        process.close()
    assert process.child.ended()
    assert not process.log.exists()


def test_a_process_that_nobody_hands_a_project_is_ended() -> None:
    """Of a run that is refused before, or that has no locustfile after all."""
    waiting = WaitingProcess()
    waiting.close()
    assert waiting.child.ended()
    assert not waiting.log.exists()


def test_a_scenario_that_may_bring_a_locustfile_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    """By its text alone, and one that can't be read does not: nobody waits for a pipe."""
    os.mkfifo(tmp_path / "pipe")
    assert not any(names_project(Path(name)) for name in (tmp_path / "pipe", "/proc/self/mem", "x" * 5000))
    for name, text in (
        ("a.yml", "locustfile: own.py"),
        ("b.json", '{"project": "load/"}'),
        ("c.yml", "users: {ApiUser: 1}"),
    ):
        (tmp_path / name).write_text(text)
    assert [names_project(tmp_path / name) for name in ("a.yml", "b.json", "c.yml", "d.yml")] == [
        True,
        True,
        False,
        False,
    ]
