"""Unpacking a project's archive takes regular files within bounds and nothing else, whoever made the archive."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from project_archives import make_archive, member

from worker.project import unpacking
from worker.project.unpacking import BadArchiveError, unpack


def unpacked(archive: Path, sha256: str, folder: Path) -> Path:
    folder.mkdir(0o700, exist_ok=True)
    for _ in unpack(archive, sha256, folder):
        pass
    return folder


def kind(value: bytes, link: str = "") -> Callable[[tarfile.TarInfo], None]:
    def change(entry: tarfile.TarInfo) -> None:
        entry.type, entry.linkname, entry.size = value, link, 0

    return change


def test_files_are_as_they_were_and_for_their_owner_alone(tmp_path: Path) -> None:
    """Content, folders and whether a file can be executed are kept; nobody but the owner can read or write."""
    long = "/".join(["a-folder-with-a-long-name"] * 8) + "/x.txt"
    sha256 = make_archive(
        tmp_path / "a",
        member("own.py", b"x = 1\n"),
        member("lib/run.sh", b"#!", lambda m: setattr(m, "mode", 0o755)),
        member(long, b"y"),
    )
    old = os.umask(0)
    try:
        folder = unpacked(tmp_path / "a", sha256, tmp_path / "out")
    finally:
        os.umask(old)
    assert (folder / "own.py").read_bytes() == b"x = 1\n"
    assert (folder / long).read_bytes() == b"y"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert (modes["own.py"], modes["lib"], modes["run.sh"]) == (0o600, 0o700, 0o700)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(member("/etc/evil", b"x"), id="absolute"),
        pytest.param(member("../evil", b"x"), id="above"),
        pytest.param(member("a/../../evil", b"x"), id="above, within"),
        pytest.param(member("evil", b"", kind(tarfile.SYMTYPE, "/etc")), id="symbolic link"),
        pytest.param(member("evil", b"", kind(tarfile.LNKTYPE, "own.py")), id="hard link"),
        pytest.param(member("evil", b"", kind(tarfile.FIFOTYPE)), id="pipe"),
        pytest.param(member("evil", b"", kind(tarfile.CHRTYPE)), id="device"),
        pytest.param(member("evil", b"", kind(tarfile.DIRTYPE)), id="folder"),
        pytest.param(member("evil", b"", kind(tarfile.GNUTYPE_SPARSE)), id="sparse"),
        pytest.param(member("evil", b"", kind(tarfile.CONTTYPE)), id="contiguous"),
        pytest.param(member("own.py", b"again"), id="twice"),
        pytest.param(member("own.py/inside", b"x"), id="below a file"),
        pytest.param(member("x" * 3000, b"x"), id="long name"),
        pytest.param(member("/".join("x" * 60), b"x"), id="deep"),
    ],
)
def test_what_no_project_has_is_refused(tmp_path: Path, hostile: tuple[tarfile.TarInfo, bytes]) -> None:
    """Members that lead elsewhere, are no regular files, or come twice are refused, and nothing is written outside of the folder."""
    sha256 = make_archive(tmp_path / "a", member("own.py", b"x = 1\n"), hostile)
    with pytest.raises(BadArchiveError):
        unpacked(tmp_path / "a", sha256, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "out"]
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["own.py"]
    assert (tmp_path / "out" / "own.py").read_bytes() == b"x = 1\n"


def test_headers_of_other_formats_are_not_read(tmp_path: Path) -> None:
    """A pax header, which may say anything of the file after it, is refused before it is read."""
    sha256 = make_archive(tmp_path / "a", member("ü" * 200, b"x"), form=tarfile.PAX_FORMAT)
    with pytest.raises(BadArchiveError):
        unpacked(tmp_path / "a", sha256, tmp_path / "out")


def test_bounds_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More files or bytes than a project may have are refused before they are written."""
    sha256 = make_archive(tmp_path / "a", *(member(f"{number}", b"1234") for number in range(5)))
    monkeypatch.setattr(unpacking, "MAX_PROJECT_FILES", 4)
    with pytest.raises(BadArchiveError, match="more than 4 files"):
        unpacked(tmp_path / "a", sha256, tmp_path / "many")
    monkeypatch.setattr(unpacking, "MAX_PROJECT_FILES", 5)
    monkeypatch.setattr(unpacking, "MAX_PROJECT_BYTES", 19)
    with pytest.raises(BadArchiveError, match="more than 5 files, or"):
        unpacked(tmp_path / "a", sha256, tmp_path / "large")
    assert len(list((tmp_path / "large").iterdir())) == 4


def test_another_archive_than_the_announced_one_is_not_unpacked(tmp_path: Path) -> None:
    """An archive with another hash is refused before anything of it is looked at; a broken one of the right hash, too."""
    sha256 = make_archive(tmp_path / "a", member("own.py", b"x"))
    with pytest.raises(BadArchiveError, match="hash"):
        unpacked(tmp_path / "a", "0" * 64, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    import hashlib  # noqa: PLC0415

    for content in (b"", b"no archive", (tmp_path / "a").read_bytes()[:-20]):
        (tmp_path / "b").write_bytes(content)
        with pytest.raises(BadArchiveError):
            unpacked(tmp_path / "b", hashlib.sha256(content).hexdigest(), tmp_path / f"out{len(content)}")
    assert sha256


def test_it_gives_others_their_turn(tmp_path: Path) -> None:
    """A large file is hashed and written in pieces."""
    sha256 = make_archive(tmp_path / "a", member("large", os.urandom(5 << 20)))
    (tmp_path / "out").mkdir()
    assert sum(1 for _ in unpack(tmp_path / "a", sha256, tmp_path / "out")) > 10
