"""An import of the operator's that goes wrong, through the command: it is refused, and nothing is left of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from processes import Piswarm, left_behind

CLASS = """
from locust import constant, task
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get("/health")
"""


def test_an_import_that_ends_its_process_is_refused_and_leaves_nothing(
    piswarm: Piswarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """os._exit in a locustfile ends no controller: status 2, one message, no run directory, no process, no file."""
    (own_tmp := tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(own_tmp))
    (tmp_path / "own.py").write_text(CLASS + "import os\nos._exit(0)\n", encoding="utf-8")
    finished = piswarm.run(piswarm.scenario(locustfile="own.py"))
    assert finished.status == 2, finished.output
    assert "own.py: its import has ended the process: exit status 0" in finished.output
    assert "Traceback" not in finished.output
    assert not finished.directory.exists()
    assert left_behind(tmp_path) == []
    assert list(own_tmp.glob("piswarm-project-*")) == []


@pytest.mark.parametrize(
    ("interrupt", "hang"),
    [
        (signal.SIGINT, "while True:\n    pass\n"),
        (signal.SIGKILL, "while True:\n    pass\n"),
        (signal.SIGKILL, "import re\nre.match('(a+)+$', 100 * 'a' + 'b')\n"),
    ],
    ids=["interrupted", "killed", "killed while the interpreter is held"],
)
def test_a_hanging_import_can_be_interrupted(
    piswarm: Piswarm, tmp_path: Path, interrupt: signal.Signals, hang: str
) -> None:
    """While an import hangs Ctrl-C ends the command with status 4 and one line; killed, it leaves no process behind either."""
    hung = tmp_path / "hung"
    os.mkfifo(hung)
    (tmp_path / "own.py").write_text(CLASS + f"import time\nopen({str(hung)!r}, 'w').close()\n{hang}", encoding="utf-8")
    started = piswarm.start(piswarm.scenario(locustfile="own.py"))
    hung.read_text()  # waits until the import has come there
    family = started.family()[1:]
    assert family
    started.process.send_signal(interrupt)
    finished = started.finish()
    for process in family:
        process.wait(20)
    if interrupt == signal.SIGINT:
        assert (finished.status, finished.output.strip().splitlines()) == (
            4,
            ["piswarm: interrupted before anything was started"],
        )
    assert not finished.directory.exists()
