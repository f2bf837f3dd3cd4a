"""The environment variables of a run outlive its controller in the file of its keys, which is its owner's alone."""

from __future__ import annotations

from pathlib import Path

from master.run.checkpoint import AccessFile, FleetAccess, kept_environment


def test_a_resumed_run_has_the_variables_that_it_was_started_with(tmp_path: Path) -> None:
    """What nodes got is read again for a resume, from a file that nobody else may read."""
    path = tmp_path / "keys.json"
    access = FleetAccess("127.0.0.1", 0, None, {}, separate_processes=False, environment={"SHOP_TOKEN": "sesame"})
    AccessFile.create(path, access).release()
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_environment(path) == {"SHOP_TOKEN": "sesame"}


def test_a_file_that_can_not_be_read_has_no_variables(tmp_path: Path) -> None:
    """A missing or damaged file is named when the run is taken over, and not before."""
    (tmp_path / "keys.json").write_bytes(b"{}")
    assert kept_environment(tmp_path / "keys.json") == kept_environment(tmp_path / "missing.json") == {}
