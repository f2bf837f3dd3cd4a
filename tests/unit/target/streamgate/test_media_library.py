"""What the library keeps, finds, caches and lets go of."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from media_library import ADMIN, LIMITS, OTHER, OWNER, Store, figures, with_store

from master.target.api.errors import ApiError
from master.target.streamgate.media.generated import generated
from master.target.streamgate.media.library import MediaLimits
from master.target.streamgate.media.medium import SEGMENT_BYTES


def test_the_catalogue_is_made_once(tmp_path: Path) -> None:
    """What an administrator has deleted of it does not come back with the next start."""

    async def delete(store: Store) -> None:
        assert figures(store.library) == (200, 0, 0, 0, 0)
        await store.library.delete("media0007", ADMIN)

    async def look(store: Store) -> None:
        assert figures(store.library) == (199, 0, 0, 0, 0)
        with pytest.raises(ApiError, match="medium not found"):
            await store.library.find("media0007")

    with_store(tmp_path / "target.db", delete)
    with_store(tmp_path / "target.db", look)


def test_content_of_the_catalogue_is_streamed_as_the_rule_says(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        cached, _ = await store.library.find("media0003")
        content = await store.content(cached.medium)
        assert len(content) == cached.medium.size_bytes
        assert content[SEGMENT_BYTES - 5 : SEGMENT_BYTES + 5] == bytes(
            generated(3, SEGMENT_BYTES - 5, SEGMENT_BYTES + 5)
        )

    with_store(tmp_path / "target.db", work, MediaLimits())


def test_media_are_found_by_all_words_and_a_tag_newest_first(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await store.add("Zebra crossing", tags="news hd")
        await store.add("ZEBRA, the film", tags="hd")
        await store.add("A film about no animal", tags="news")
        assert await store.found("zebra") == ["ZEBRA, the film", "Zebra crossing"]
        assert await store.found("film", "zebra") == ["ZEBRA, the film"]
        assert await store.found("zebra", "#news") == ["Zebra crossing"]
        assert await store.found("zebra", "crossing", "#music") == []
        assert await store.found("zeb") == []
        assert (await store.found(limit=1)) == ["A film about no animal"]

    with_store(tmp_path / "target.db", work)


def test_pages_show_each_medium_once(tmp_path: Path) -> None:
    """Also while new ones come in."""

    async def work(store: Store) -> None:
        titles = [f"page {number}" for number in range(10)]
        for title in titles:
            await store.add(title)
        found: list[str] = []
        after = None
        while media := await store.library.media.search(["page"], after, 3):
            found += [medium.title for medium in media]
            after = media[-1].serial
            await store.add("page that is new")
        assert found == titles[::-1]

    with_store(tmp_path / "target.db", work)


def test_a_change_is_seen_at_once_and_found_by_its_new_words(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        medium = await store.add("old title", tags="news")
        assert [(await store.library.find(medium.id))[1] for _ in range(2)] == [False, True]
        await store.library.change(medium.id, OWNER, "new title", None)
        cached, hit = await store.library.find(medium.id)
        assert (cached.medium.title, cached.medium.tags, cached.medium.version, hit) == ("new title", "news", 2, False)
        await store.library.change(medium.id, ADMIN, None, ["hd"])
        assert await store.found("new", "#hd") == ["new title"]
        assert await store.found("old") == await store.found("new", "#news") == []

    with_store(tmp_path / "target.db", work)


def test_only_its_owner_and_an_administrator_change_a_medium(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        medium = await store.add()
        for medium_id in (medium.id, "media0001"):
            with pytest.raises(ApiError, match="another's"):
                await store.library.change(medium_id, OTHER, "mine", None)
            with pytest.raises(ApiError, match="another's"):
                await store.library.delete(medium_id, OTHER)
        await store.library.change("media0001", ADMIN, "changed", None)
        with pytest.raises(ApiError, match="not found"):
            await store.library.change("media9999", ADMIN, "x", None)

    with_store(tmp_path / "target.db", work)


def test_what_was_read_before_a_change_is_not_cached_after_it(tmp_path: Path) -> None:
    """A reader that was waiting for the database meanwhile answers with what it read, and the next one reads anew."""

    async def work(store: Store) -> None:
        medium = await store.add("before")
        find = store.library.media.find

        async def find_slowly(medium_id: str) -> object:
            found = await find(medium_id)
            store.library.media.find = find
            await store.library.change(medium_id, OWNER, "after", None)
            return found

        store.library.media.find = find_slowly
        cached, _ = await store.library.find(medium.id)
        assert cached.medium.title == "before"
        cached, hit = await store.library.find(medium.id)
        assert (cached.medium.title, hit) == ("after", False)

    with_store(tmp_path / "target.db", work)


def test_a_deleted_medium_leaves_nothing(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        medium = await store.add("to be deleted", b"x" * 1000)
        await store.library.find(medium.id)
        await store.content(medium)
        await store.library.delete(medium.id, OWNER)
        assert await store.found("deleted") == []
        for table in ("media_parts", "media_words WHERE medium > 200"):
            assert await store.database.fetch_all(f"SELECT * FROM {table}") == []
        with pytest.raises(ApiError, match="not found"):
            await store.library.find(medium.id)
        with pytest.raises(ApiError, match="not found"):
            await store.content(medium)

    with_store(tmp_path / "target.db", work)


def test_a_medium_that_takes_the_place_of_a_deleted_one_is_another(tmp_path: Path) -> None:
    """SQLite gives it the same serial number: who still has the old one in hand must not read or change the new one."""

    async def work(store: Store) -> None:
        old = await store.add("old", b"old content")
        await store.library.delete(old.id, OWNER)
        new = await store.add("new", b"new content")
        assert new.serial == old.serial
        with pytest.raises(ApiError, match="not found"):
            await store.library.segment(old, 0)
        assert await store.library.media.change(old, "stolen", "") is None
        assert await store.library.remove([old]) == 0
        assert await store.content(new) == b"new content"

    with_store(tmp_path / "target.db", work)


@pytest.mark.parametrize(
    ("limits", "size_bytes", "kept"),
    [
        (MediaLimits(media=20), 10, range(18, 21)),
        (MediaLimits(part_bytes=100_000), 10_000, range(9, 11)),
        (MediaLimits(parts=40), 10, range(38, 41)),
        (MediaLimits(part_bytes=100_000), 300_000, range(1, 2)),
    ],
)
def test_the_oldest_go_when_there_are_too_many(
    tmp_path: Path, limits: MediaLimits, size_bytes: int, kept: range
) -> None:
    """By number, bytes or parts; the newest stays, however large, and the catalogue always."""

    async def work(store: Store) -> None:
        for number in range(60):
            await store.add(f"number {number}", bytes(size_bytes))
        titles = await store.found("number")
        assert len(titles) in kept
        assert titles == [f"number {number}" for number in range(59, 59 - len(titles), -1)]
        assert store.library.media.kept == 200 + len(titles)

    with_store(tmp_path / "target.db", work, limits)


def test_a_soak_of_changes_keeps_the_sums_true(tmp_path: Path) -> None:
    """Media come, grow, change, are deleted and pruned; the store's own sums are those of its tables."""
    drawn = random.Random(1)

    async def work(store: Store) -> None:
        ids: list[str] = []
        for _ in range(300):
            store.now += 1
            match drawn.choice(["add", "begin", "append", "delete", "change"]):
                case "add":
                    ids.append((await store.add(content=drawn.randbytes(drawn.randint(0, 9000)))).id)
                case "begin":
                    ids.append((await store.intake.begin(OWNER.name, "upload", "", drawn.randint(0, 5000))).id)
                case "append" if ids:
                    upload = await store.intake.find(drawn.choice(ids))
                    if upload is not None and not upload.complete:
                        left_bytes = upload.size_bytes - upload.received_bytes
                        await store.intake.append(upload, drawn.randbytes(drawn.randint(1, left_bytes)))
                case "delete" | "change" as what if ids:
                    medium_id = drawn.choice(ids)
                    with suppress(ApiError):  # it may be gone, or not whole yet
                        if what == "delete":
                            await store.library.delete(medium_id, OWNER)
                        else:
                            await store.library.change(medium_id, OWNER, "changed", ["hd"])
            assert store.library.media.uploaded <= LIMITS.media
            assert store.library.parts.kept_bytes <= LIMITS.part_bytes
        assert figures(store.library) == await store.counted()

    with_store(tmp_path / "target.db", work)
