"""A project's archive is the same for the same files, and what a node unpacks is what was packed."""

import os
from pathlib import Path

import pytest

from master.errors import InputError
from master.project.archive import packing
from master.project.archive.files import ProjectFile, find_files
from master.project.archive.packing import find_packed, pack
from master.scenario import LocustProject
from worker.project.unpacking import unpack
from worker.wire.bounds import MAX_ARCHIVE_BYTES


def project(root: Path) -> LocustProject:
    root.mkdir(exist_ok=True)
    (root / "locustfile.py").write_text("x = 1\n")
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / ("name-" * 30 + "ü.csv")).write_text("a,b\n")
    (root / "run.sh").touch(0o755)
    return LocustProject(root, (root / "locustfile.py",), whole=True)


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    """Neither times, nor modes but that to execute, nor the order of a folder, nor where it lies change the archive."""
    first = pack(find_files(project(tmp_path / "a")), tmp_path / "1")
    again = project(tmp_path / "b")
    (again.root / "locustfile.py").chmod(0o600)
    os.utime(again.root / "locustfile.py", (1, 1))
    second = pack(find_files(again), tmp_path / "2")
    assert first.described == second.described
    assert first.archive.read_bytes() == second.archive.read_bytes()
    assert (tmp_path / "1").stat().st_mode & 0o777 == 0o600
    assert find_packed(tmp_path / "1").described == first.described
    (again.root / "locustfile.py").write_text("x = 2\n")
    assert pack(find_files(again), tmp_path / "3").described.sha256 != first.described.sha256


def test_nodes_unpack_what_was_packed(tmp_path: Path) -> None:
    """Every file comes out with its name and content."""
    own = project(tmp_path / "a")
    packed = pack(find_files(own), tmp_path / "archive")
    (tmp_path / "out").mkdir()
    for _ in unpack(packed.archive, packed.described.sha256, tmp_path / "out"):
        pass
    for file in find_files(own):
        assert (tmp_path / "out" / file.name).read_bytes() == file.source.read_bytes()
    assert packed.described.unpacked_bytes == sum(file.size for file in find_files(own))


def test_a_file_that_changes_meanwhile_is_told_of(tmp_path: Path) -> None:
    """A file that is gone or of another size when it is packed is refused by name."""
    (tmp_path / "a").write_text("abc")
    for size, says in ((2, "changed while it was read"), (5, "changed while it was read")):
        with pytest.raises(InputError, match=says):
            pack([ProjectFile("a", tmp_path / "a", size)], tmp_path / "archive")
    with pytest.raises(InputError, match="can't be read"):
        pack([ProjectFile("b", tmp_path / "b", 1)], tmp_path / "archive")


def test_an_archive_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be compressed below the limit is refused, with the largest files."""
    monkeypatch.setattr(packing, "MAX_ARCHIVE_BYTES", 1000)
    (tmp_path / "a").write_bytes(os.urandom(2000))
    with pytest.raises(InputError, match=r"when it is compressed, .*The largest: a \(2.0 KiB\)"):
        pack([ProjectFile("a", tmp_path / "a", 2000)], tmp_path / "archive")
    assert MAX_ARCHIVE_BYTES == 64 << 20


def test_a_run_whose_archive_is_gone_can_not_be_resumed(tmp_path: Path) -> None:
    """A missing or broken archive of a run is the operator's to know."""
    with pytest.raises(InputError, match="the project of the run can't be read"):
        find_packed(tmp_path / "none")
    (tmp_path / "broken").write_bytes(b"no archive")
    with pytest.raises(InputError, match="the project of the run can't be read"):
        find_packed(tmp_path / "broken")
