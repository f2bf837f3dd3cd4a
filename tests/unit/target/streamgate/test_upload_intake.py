"""Uploads that come in parts: what is kept of them, and when they are whole."""

from __future__ import annotations

import asyncio
import random
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_library import OWNER, Store, with_store

from master.target.streamgate.media.library import MediaLimits
from master.target.streamgate.media.medium import SEGMENT_BYTES
from master.target.streamgate.media.parts import MAX_PART_BYTES
from master.target.streamgate.uploads.intake import Intake

CONTENT = random.Random(7).randbytes(2 * SEGMENT_BYTES + 12_345)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(1, len(CONTENT) - 1), max_size=6, unique=True).map(sorted))
def test_an_upload_is_whole_however_it_is_cut(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    """Its segments, and pieces across its parts, are what was sent."""

    async def work(store: Store) -> None:
        upload = await store.intake.begin(OWNER.name, "film", "hd", len(CONTENT))
        for start, end in zip((0, *cuts), (*cuts, len(CONTENT)), strict=True):
            assert not upload.complete
            grown = await store.intake.append(upload, CONTENT[start:end])
            assert grown is not None
            upload = grown
        assert (upload.complete, upload.sha256) == (True, sha256(CONTENT).hexdigest())
        assert await store.content(upload) == CONTENT
        assert await store.found("film", "#hd") == ["film"]

    with_store(tmp_path_factory.mktemp("store") / "target.db", work, MediaLimits())


def test_an_upload_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Its digest is that of the whole, though no process has seen the whole."""
    made: list[str] = []

    async def begin(store: Store) -> None:
        upload = await store.intake.begin(OWNER.name, "film", "", len(CONTENT))
        await store.intake.append(upload, CONTENT[:300_000])
        made.append(upload.id)

    async def go_on(store: Store) -> None:
        upload = await store.intake.find(made[0])
        assert upload is not None
        assert (upload.received_bytes, upload.complete) == (300_000, False)
        grown = await store.intake.append(upload, CONTENT[300_000:])
        assert grown is not None
        assert grown.sha256 == sha256(CONTENT).hexdigest()
        assert await store.content(grown) == CONTENT

    with_store(tmp_path / "target.db", begin, MediaLimits())
    with_store(tmp_path / "target.db", go_on, MediaLimits())


def test_the_digest_is_right_though_another_has_taken_in_a_part(tmp_path: Path) -> None:
    """What is remembered of the first part is not taken for what there is after the second."""

    async def work(store: Store) -> None:
        other = Intake(store.library, clock=lambda: store.now)
        upload = await store.intake.begin(OWNER.name, "film", "", 30)
        for intake, part in ((store.intake, b"a" * 10), (other, b"b" * 10), (store.intake, b"c" * 10)):
            grown = await intake.append(upload, part)
            assert grown is not None
            upload = grown
        assert upload.sha256 == sha256(b"a" * 10 + b"b" * 10 + b"c" * 10).hexdigest()

    with_store(tmp_path / "target.db", work)


def test_of_two_writers_one_wins_and_nothing_is_mixed(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        upload = await store.intake.begin(OWNER.name, "film", "", 20)
        writers = [store.intake.append(upload, letter * 10) for letter in (b"a", b"b", b"c")]
        grown = [found for found in await asyncio.gather(*writers) if found is not None]
        assert len(grown) == 1
        whole = await store.intake.append(grown[0], b"d" * 10)
        assert whole is not None
        content = await store.content(whole)
        assert content in {letter * 10 + b"d" * 10 for letter in (b"a", b"b", b"c")}
        assert whole.sha256 == sha256(content).hexdigest()
        assert await store.intake.append(grown[0], b"e" * 10) is None

    with_store(tmp_path / "target.db", work)


def test_an_upload_expires_when_nothing_comes_for_long(tmp_path: Path) -> None:
    """Each part puts it off; a new upload clears away those that have expired, and whole ones stay."""

    async def work(store: Store) -> None:
        upload = await store.intake.begin(OWNER.name, "film", "", 20)
        whole = await store.add()
        store.now += 59
        grown = await store.intake.append(upload, b"x" * 10)
        assert grown is not None
        store.now += 59
        assert await store.intake.find(upload.id) == grown
        store.now += 2
        assert await store.intake.find(upload.id) is None
        assert await store.intake.append(grown, b"y" * 10) is None
        forgotten = [await store.intake.begin(OWNER.name, "film", "", 20) for _ in range(3)]
        store.now += 61
        await store.intake.begin(OWNER.name, "film", "", 20)
        assert store.library.media.incomplete == 1
        assert await store.library.media.find(forgotten[0].id) is None
        assert await store.intake.find(whole.id) == whole

    with_store(tmp_path / "target.db", work)


def test_an_upload_of_nothing_is_whole_at_once(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        upload = await store.intake.begin(OWNER.name, "nothing", "", 0)
        assert (upload.complete, upload.segments, upload.sha256) == (True, 0, sha256().hexdigest())
        assert await store.found("nothing") == ["nothing"]
        assert store.intake.uploads == 1

    with_store(tmp_path / "target.db", work)


def test_an_upload_is_seen_by_others_only_when_it_is_whole(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        upload = await store.intake.begin(OWNER.name, "film", "", 10)
        await store.intake.append(upload, b"x" * 9)
        assert await store.found("film") == []
        assert "film" not in await store.found()

    with_store(tmp_path / "target.db", work)


def test_a_part_is_stored_in_rows_of_bounded_length(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await store.add(content=CONTENT)
        rows = await store.database.fetch_all("SELECT LENGTH(content) FROM media_parts")
        assert max(rows)[0] <= MAX_PART_BYTES

    with_store(tmp_path / "target.db", work, MediaLimits())
