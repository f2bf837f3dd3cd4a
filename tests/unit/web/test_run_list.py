"""Runs of a folder that somebody else has filled: links, pipes and files that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from master.web.serve.run_list import RunList, is_own_file, read_result


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A directory that looks like a run."""
    made = tmp_path / "a-20260101-000000"
    made.mkdir()
    for name in ("scenario.yml", "run.db"):
        (made / name).write_text("")
    return made


def test_a_link_shows_no_other_file_of_the_machine(run: Path, tmp_path: Path) -> None:
    """A report or result that is a link to a secret is none."""
    secret = tmp_path / "secret"
    secret.write_text('{"scenario": "secret"}')
    (run / "report.html").symlink_to(secret)
    (run / "result.json").symlink_to(secret)
    assert not is_own_file(run / "report.html")
    (row,) = RunList(tmp_path).rows()
    assert (row.state, row.scenario) == ("unreadable", None)


@pytest.mark.parametrize("name", ["keys.json", "result.json", "run.db"])
def test_a_pipe_holds_up_nobody(run: Path, tmp_path: Path, name: str) -> None:
    """Reading a pipe without a writer would wait for ever, and with it every page."""
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    assert len(RunList(tmp_path).rows()) == (name != "run.db")
    if name == "result.json":
        with pytest.raises(OSError, match="no file"):
            read_result(run / name)


def test_a_link_in_place_of_keys_is_no_run_that_is_on(run: Path, tmp_path: Path) -> None:
    """Else no run could be started as long as it is there."""
    (run / "keys.json").symlink_to("/dev/null")
    assert RunList(tmp_path).running() is None


@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"x":' + b"[" * 200_000, b'{"scenario": "\xff"}', b'{"verdict": 5}', b""]
)
def test_a_result_that_is_none_costs_no_other_run(run: Path, tmp_path: Path, content: bytes) -> None:
    """It is one row that can't be read."""
    (run / "result.json").write_bytes(content)
    assert [row.state for row in RunList(tmp_path).rows()] == ["unreadable"]
