"""A project comes to a node in parts, once: from then on it is in the cache, also for other agents and after a kill."""

import os
import time
from pathlib import Path

import pytest
from project_archives import answer, described, make_archive, member

from worker.project import cache as caches
from worker.project.cache import MAX_AGE_S, MAX_ARCHIVES, MAX_PART_AGE_S, ProjectCache
from worker.project.delivery import ASK_AGAIN_S, Delivery
from worker.project.unpacking import BadArchiveError
from worker.wire.messages import ProjectPart, ProjectRequest


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of some three parts."""
    make_archive(tmp_path / "archive", member("own.py", b"x = 1\n"), member("data", os.urandom(150_000)))
    return tmp_path / "archive"


@pytest.fixture
def cache(tmp_path: Path) -> ProjectCache:
    return ProjectCache(tmp_path / "projects")


def deliver(delivery: Delivery, archive: Path, steps: int = 1000) -> list[ProjectRequest]:
    """Answer what it asks for, for so many steps or until it is ready."""
    asked = []
    for step in range(steps):
        if delivery.ready:
            break
        for request in delivery.step(float(step)):
            if request.offset < described(archive).size:
                asked.append(request)
                delivery.receive(answer(archive, request))
    return asked


def test_it_is_fetched_once_and_then_in_the_cache(archive: Path, cache: ProjectCache) -> None:
    """The first delivery asks for each part once, the next for none; each has a folder of its own, which goes with it."""
    first = Delivery(described(archive), "pi1", cache)
    asked = deliver(first, archive)
    assert [request.offset for request in asked] == [0, 65_536, 131_072]
    assert Path(first.folder, "own.py").read_text(encoding="utf-8") == "x = 1\n"
    assert {path.stat().st_mode & 0o077 for path in [cache.folder, *cache.folder.rglob("*")]} == {0}
    second = Delivery(described(archive), "pi2", cache)
    assert deliver(second, archive) == []
    assert second.folder != first.folder
    Path(second.folder, "own.py").write_text("changed by its workers", encoding="utf-8")
    kept = Path(first.folder)
    assert (kept / "own.py").read_text() == "x = 1\n"
    first.close()
    second.close()
    assert [path.name for path in cache.folder.iterdir()] == [f"{described(archive).sha256}.tar.gz"]
    assert not kept.exists()


def test_a_transfer_goes_on_where_it_was_broken_off(archive: Path, cache: ProjectCache) -> None:
    """An agent that is started again asks for what is missing alone; another agent of the machine has a file of its own."""
    killed = Delivery(described(archive), "pi1", cache)
    deliver(killed, archive, steps=1)
    other = Delivery(described(archive), "pi2", cache)
    assert [request.offset for request in deliver(other, archive, steps=1)] == [0]
    killed.close()
    heir = Delivery(described(archive), "pi1", cache)
    assert [request.offset for request in deliver(heir, archive)] == [65_536, 131_072]
    # What another one has completed need not be fetched any more.
    assert deliver(other, archive) == []
    assert (heir.ready, other.ready) == (True, True)
    heir.close()
    other.close()


def test_two_processes_never_write_one_file(archive: Path, cache: ProjectCache) -> None:
    """An agent whose forerunner still writes the file waits for its end, and says so."""
    first = Delivery(described(archive), "pi1", cache)
    deliver(first, archive, steps=1)
    second = Delivery(described(archive), "pi1", cache)
    with pytest.raises(BlockingIOError):
        deliver(second, archive, steps=1)
    first.close()
    assert [request.offset for request in deliver(second, archive)] == [65_536, 131_072]
    second.close()


def test_only_what_was_asked_for_is_taken(archive: Path, cache: ProjectCache) -> None:
    """Parts of another project, at another place, empty, or that come twice change nothing."""
    delivery = Delivery(described(archive), "pi1", cache)
    delivery.receive(ProjectPart(described(archive).sha256, 0, b"before it has asked"))
    (request,) = delivery.step(0.0)
    part = answer(archive, request)
    for wrong in (ProjectPart("0" * 64, 0, b"x"), ProjectPart(part.sha256, 7, b"x"), ProjectPart(part.sha256, 0, b"")):
        delivery.receive(wrong)
    assert list(delivery.step(1.0)) == []  # no part has come
    delivery.receive(part)
    delivery.receive(part)
    assert [request.offset for request in deliver(delivery, archive)] == [65_536, 131_072]
    delivery.close()


def test_a_part_that_is_lost_is_asked_for_again(archive: Path, cache: ProjectCache) -> None:
    """Without an answer, as of a controller that was replaced, the same part is asked for again after a while."""
    delivery = Delivery(described(archive), "pi1", cache)
    assert delivery.wait_s(0.0) == 0
    (request,) = delivery.step(0.0)
    assert delivery.wait_s(1.0) == ASK_AGAIN_S - 1
    assert list(delivery.step(ASK_AGAIN_S - 0.1)) == []
    assert list(delivery.step(ASK_AGAIN_S)) == [request]
    delivery.close()


def test_what_is_damaged_is_fetched_anew(archive: Path, cache: ProjectCache) -> None:
    """An archive that is damaged on the way or in the cache is told of, removed and fetched anew."""
    delivery = Delivery(described(archive), "pi1", cache)
    (request,) = delivery.step(0.0)
    whole = answer(archive, request)
    delivery.receive(ProjectPart(whole.sha256, 0, b"?" + whole.data[1:]))
    with pytest.raises(BadArchiveError, match="hash"):
        deliver(delivery, archive)
    assert not list(cache.folder.iterdir())
    assert len(deliver(delivery, archive)) == 3
    delivery.close()
    kept = cache.archive(described(archive).sha256)
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    again = Delivery(described(archive), "pi1", cache)
    with pytest.raises(BadArchiveError, match="hash"):
        deliver(again, archive)
    assert len(deliver(again, archive)) == 3
    again.close()


def test_a_disk_without_room_is_told_of_before_anything_is_fetched(
    archive: Path, cache: ProjectCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project for which there is no room is not begun; once there is room, it is."""
    delivery = Delivery(described(archive), "pi1", cache)
    monkeypatch.setattr(caches, "SPARE_BYTES", 1 << 60)
    with pytest.raises(OSError, match="No space left"):
        list(delivery.step(0.0))
    monkeypatch.setattr(caches, "SPARE_BYTES", 0)
    assert len(deliver(delivery, archive)) == 3
    delivery.close()


def test_a_folder_of_somebody_elses_is_not_used(archive: Path, tmp_path: Path) -> None:
    """A link in place of the cache's folder is refused; a folder that others could read is closed to them."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(PermissionError):
        list(Delivery(described(archive), "pi1", ProjectCache(tmp_path / "link")).step(0.0))
    delivery = Delivery(described(archive), "pi1", ProjectCache(tmp_path / "elsewhere"))
    list(delivery.step(0.0))
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o700
    delivery.close()


def test_what_is_old_is_removed(cache: ProjectCache) -> None:
    """Archives not used for a week, those that are too many, and transfers that nobody came back for are removed."""
    cache.open()
    now_s = time.time()
    for number in range(MAX_ARCHIVES + 2):
        cache.archive(f"{number:064}").touch()
        os.utime(cache.archive(f"{number:064}"), (now_s - number, now_s - number))
    os.utime(cache.archive(f"{3:064}"), (0, now_s - MAX_AGE_S - 1))
    (cache.folder / "new.part").touch()
    (cache.folder / "old.part").touch()
    os.utime(cache.folder / "old.part", (0, now_s - MAX_PART_AGE_S - 1))
    assert cache.find(f"{MAX_ARCHIVES:064}") is not None  # it is used: from now on the newest
    assert cache.find("f" * 64) is None
    cache.clean()
    left = {int(path.name[:64]) for path in cache.folder.glob("*.tar.gz")}
    assert left == {*range(MAX_ARCHIVES + 1)} - {3}
    assert [path.name for path in cache.folder.glob("*.part")] == ["new.part"]
