"""The environment variables of a run outlive its controller in the file of its keys, which is its owner's alone."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from master.errors import InputError
from master.run.checkpoint import AccessFile, FleetAccess


def test_a_resumed_run_has_the_variables_that_it_was_started_with(tmp_path: Path) -> None:
    """What nodes got is read again for a resume, from a file that nobody else may read."""
    path = tmp_path / "keys.json"
    access = FleetAccess("127.0.0.1", 0, None, {}, separate_processes=False, environment={"SHOP_TOKEN": "sesame"})
    AccessFile.create(path, access).release()
    assert path.stat().st_mode & 0o777 == 0o600
    file = AccessFile.acquire(path)
    assert file.access.environment == {"SHOP_TOKEN": "sesame"}
    with pytest.raises(InputError, match="is still on"):
        AccessFile.acquire(path)
    file.release()
    file.release()  # twice is no harm
    AccessFile.acquire(path).remove()
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "says"), [(b"{}", "is not as it was written"), (None, "no run that was broken off")]
)
def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    """A missing or damaged file is named when the run is taken over."""
    if content is not None:
        (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(InputError, match=says):
        AccessFile.acquire(tmp_path / "keys.json")


def test_a_run_is_taken_over_while_the_live_page_looks_at_it(tmp_path: Path) -> None:
    """The page sees by the lock whether a controller holds a run; such a moment makes no run one that is on."""
    path = tmp_path / "keys.json"
    AccessFile.create(path, FleetAccess("127.0.0.1", 0, None, {}, separate_processes=False)).release()
    with path.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        done = threading.Timer(0.05, fcntl.flock, (looking, fcntl.LOCK_UN))
        done.start()
        AccessFile.acquire(path).release()
        done.join()
