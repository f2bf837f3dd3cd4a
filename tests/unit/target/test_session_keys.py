"""The master key's file, and the keys of sessions that are derived from it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from master.target.database.sqlite import SqliteDatabase
from master.target.sessions.chunks import CorruptChunkError, pack
from master.target.sessions.keys import KEY_BYTES, SessionKeys, derive_key
from master.target.sessions.master_key import MasterKeyError, load_key_file, open_master_key


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """The file keeps the key over restarts, has mode 0600, and nothing else is left beside it."""
    path = tmp_path / "target.key"
    key = load_key_file(path)
    assert len(key) == KEY_BYTES
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key_file(path) == key
    assert list(tmp_path.iterdir()) == [path]
    assert load_key_file(tmp_path / "other.key") != key


def test_of_those_who_start_at_once_all_have_one_key(tmp_path: Path) -> None:
    """Whoever makes the key first, all others read it."""
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_key_file, [tmp_path / "target.key"] * 32))
    assert len(keys) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that may be known to others is no secret any more."""
    path = tmp_path / "target.key"
    load_key_file(path)
    path.chmod(mode)
    with pytest.raises(MasterKeyError, match="others can read the key"):
        load_key_file(path)


@pytest.mark.parametrize("content", [b"", bytes(KEY_BYTES - 1), bytes(KEY_BYTES + 1)])
def test_a_file_that_holds_no_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """A file of another length is somebody else's, or damaged."""
    path = tmp_path / "target.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(MasterKeyError, match="no key of 32 bytes"):
        load_key_file(path)
    assert path.read_bytes() == content


def test_a_session_has_a_key_of_its_own_which_the_master_key_brings_back() -> None:
    """After a restart the same master key opens a session's chunks; another master key does not."""
    chunk = pack(b"a chunk")
    sealed = SessionKeys(bytes(32)).cipher("s").seal(chunk, 0)
    place = (sealed, 0, chunk.raw_bytes, chunk.digest)
    assert SessionKeys(bytes(32)).cipher("s").open(*place) == chunk.compressed
    with pytest.raises(CorruptChunkError):
        SessionKeys(b"k" * 32).cipher("s").open(*place)
    assert derive_key(bytes(32), "session:a") != derive_key(bytes(32), "session:b")


def open_with(database_file: Path, key_file: Path | None) -> bytes:
    """The master key that a target gets which starts with these."""

    async def run() -> bytes:
        database = SqliteDatabase(database_file)
        try:
            return await open_master_key(database, key_file)
        finally:
            await database.close()

    return asyncio.run(run())


def test_a_database_keeps_its_key(tmp_path: Path) -> None:
    """With a file or without, the key is the same at every start, and of two databases each has its own."""
    beside = [open_with(tmp_path / "a.db", tmp_path / "a.key") for _ in range(2)]
    inside = [open_with(tmp_path / "b.db", None) for _ in range(2)]
    assert beside[0] == beside[1] == (tmp_path / "a.key").read_bytes()
    assert inside[0] == inside[1] != beside[0]
    assert beside[0] not in (tmp_path / "a.db").read_bytes()


def test_a_database_is_refused_without_its_own_key(tmp_path: Path) -> None:
    """With another key no chunk could be read; that is said at the start instead of at each chunk."""
    open_with(tmp_path / "a.db", tmp_path / "a.key")
    open_with(tmp_path / "b.db", None)
    for database, key in (("a.db", "other.key"), ("b.db", "a.key")):
        with pytest.raises(MasterKeyError, match="not the one that its chunks were sealed with"):
            open_with(tmp_path / database, tmp_path / key)
    with pytest.raises(MasterKeyError, match="name that with --key-file"):
        open_with(tmp_path / "a.db", None)


def test_a_key_that_can_not_be_written_is_an_error_with_its_reason(tmp_path: Path) -> None:
    """The operator is told which file, and what is the matter."""
    with pytest.raises(MasterKeyError, match=r"missing/target\.key: No such file or directory"):
        load_key_file(tmp_path / "missing" / "target.key")
