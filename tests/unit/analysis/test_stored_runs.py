"""Runs that have ended, read from their directories."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import report_example

from master.analysis.runs import StoredRun, find_runs
from master.errors import InputError
from master.store import Store


def stored(path: Path, **changed: object) -> Path:
    """A run directory at `path`, of the example, with parts of its result changed."""
    path.mkdir(parents=True)
    store = Store(path / "run.db", create=True)
    report_example.fill(store)
    store.close()
    msgspec.structs.replace(report_example.result(), **changed).write(path / "result.json")
    (path / "scenario.yml").write_text("name: example\nusers: {ApiUser: 3}\n")
    return path


def test_a_stored_run_has_its_result_its_scenario_and_its_database(tmp_path: Path) -> None:
    """A stored run gives the result as it was written, the keys of its scenario, and its run.db to read."""
    run = StoredRun.open(stored(tmp_path / "one"))
    assert run.name == "one"
    assert run.result.verdict == "PASS"
    assert run.result.endpoints == report_example.result().endpoints
    assert run.scenario["users"] == {"ApiUser": 3}
    with run.store() as store:
        assert len(store.seconds()) == 30


def test_what_is_no_run_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Whatever is no run directory, or one of a run that has not ended, is refused in one message with a hint."""
    (tmp_path / "empty").mkdir()
    killed = stored(tmp_path / "killed")
    (killed / "result.json").unlink()
    for path, said in (
        (tmp_path / "missing", "is no run directory"),
        (tmp_path / "empty", "is no run directory"),
        (killed, "was killed"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            StoredRun.open(path)
        assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no result of a run"),
        (b"[1]", "no result of a run"),
        (b'{"schema": 3}', "no result of a run"),
        (b'{"schema": "piswarm/result/0"}', "of the schema piswarm/result/0"),
        (b"\xff\xfe{}", "no result of a run"),
    ],
)
def test_a_result_of_another_kind_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """A result.json that is damaged, or of another schema, is refused as such."""
    path = stored(tmp_path / "one")
    (path / "result.json").write_bytes(content)
    with pytest.raises(InputError, match=said):
        StoredRun.open(path)


def test_a_damaged_database_is_an_error_of_the_input(tmp_path: Path) -> None:
    """A run.db of which a part is overwritten is told as damaged, also when it is found while reading."""
    path = stored(tmp_path / "one")
    content = bytearray((path / "run.db").read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    (path / "run.db").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.db"), StoredRun.open(path).store() as store:
        list(store.requests())


def test_runs_of_a_folder_come_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    """Runs are found by their results, the earliest first; what is no run is left out."""
    stored(tmp_path / "a", started_at="2026-05-04T03:02:01+02:00")
    stored(tmp_path / "d", started_at="2026-05-04T01:30:00+00:00")
    stored(tmp_path / "b", started_at="2026-05-01T03:02:01+02:00")
    (tmp_path / "c").mkdir()
    assert [path.name for path in find_runs(tmp_path)] == ["b", "a", "d"]
    with pytest.raises(InputError, match="can't be read"):
        find_runs(tmp_path / "none")
