"""Metadata against the real process: found in pages, cached, revalidated, changed and deleted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from processes import Target
from tus_client import PATIENCE_S, TusClient


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(*database_options) as started:
        yield started


@pytest.fixture(scope="module")
def client(target: Target) -> TusClient:
    return TusClient(target)


def add(client: TusClient, title: str, tags: str = "") -> str:
    """The path of a new medium."""
    path = client.create(1, title=title, tags=tags)
    return client.append(path, 0, b"x").headers["content-location"]


def found(client: TusClient, query: str) -> list[dict[str, Any]]:
    return client.ask("GET", f"/media?{query}").json["media"]


def test_the_catalogue_is_listed_in_pages(client: TusClient) -> None:
    ids, query = [], "limit=100"
    while True:
        page = client.ask("GET", f"/media?{query}").json
        ids += [medium["id"] for medium in page["media"] if medium["owner"] is None]
        if page["next"] is None:
            break
        query = f"limit=100&after={page['next']}"
    assert ids == [f"media{number:04d}" for number in range(200, 0, -1)]


def test_media_are_found_by_words_and_tags(client: TusClient) -> None:
    every = found(client, "limit=100") + found(client, "limit=100&after=101")
    for query, tag in (("silent", None), ("RIVER silent", None), ("river", "hd"), ("", "music")):
        expected = [
            medium["id"]
            for medium in every
            if set(query.casefold().split()) <= set(medium["title"].casefold().split())
            and (tag is None or tag in medium["tags"])
        ]
        asked = f"limit=100&query={query.replace(' ', '%20')}" + (f"&tag={tag}" if tag else "")
        assert [medium["id"] for medium in found(client, asked)] == expected
        assert expected or " " in query
    assert found(client, "query=%2C.%3B") == found(client, "query=nowhere") == found(client, "tag=unused") == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "after=0",
        "after=x",
        "tag=NEWS",
        "tag=",
        "query=" + "x" * 129,
        "word=x",
        "query=%00",
        "tag=a%0A",
    ],
)
def test_a_search_that_breaks_the_rules_is_refused(client: TusClient, query: str) -> None:
    assert client.ask("GET", f"/media?{query}").status == 422


@pytest.mark.parametrize("query", ["'", "%25", "_", "%22%20OR%201=1", "%F0%9F%8E%AC", "%ff%fe", "a" * 128])
def test_a_search_for_anything_finds_what_has_it_and_no_more(client: TusClient, query: str) -> None:
    reply = client.ask("GET", f"/media?query={query}")
    assert (reply.status, reply.json) == (200, {"media": [], "next": None})


def test_a_medium_is_cached_and_revalidated(client: TusClient) -> None:
    first = client.ask("GET", "/media/media0042")
    second = client.ask("GET", "/media/media0042")
    assert [reply.headers["x-cache"] for reply in (first, second)] == ["MISS", "HIT"]
    assert first.body == second.body
    assert first.headers["cache-control"] == "private, no-cache"
    etag = first.headers["etag"]
    for header, status in (
        (etag, 304),
        (f'"other", W/{etag}', 304),
        ("*", 304),
        ('"media0042-2"', 200),
        ("nonsense", 200),
    ):
        reply = client.ask("GET", "/media/media0042", If_None_Match=header)
        assert (reply.status, reply.headers["etag"]) == (status, etag)
        assert bool(reply.body) == (status == 200)
    head = client.ask("HEAD", "/media/media0042")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(first.body)))


def test_a_change_is_seen_by_the_next_reader(client: TusClient) -> None:
    path = add(client, "before the change", "news")
    etag = client.ask("GET", path).headers["etag"]
    assert client.ask("GET", path).headers["x-cache"] == "HIT"
    changed = client.target.ask("PATCH", path, {"title": "after it", "tags": ["hd"]}, client.token)
    assert (changed.status, changed.json["version"]) == (200, 2)
    reply = client.ask("GET", path, If_None_Match=etag)
    assert (reply.status, reply.headers["x-cache"], reply.json) == (200, "MISS", changed.json)
    assert [medium["title"] for medium in found(client, "query=after%20it&tag=hd")] == ["after it"]
    assert found(client, "query=before%20change") == []


def test_many_changes_at_once_are_all_made(client: TusClient) -> None:
    """Each raises the version by one, and what is read at last is one of them."""
    path = add(client, "version 1")
    titles = [f"change {number}" for number in range(24)]

    def change(title: str) -> int:
        client.ask("GET", path)
        return client.target.ask("PATCH", path, {"title": title}, client.token).json["version"]

    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(change, titles))
    assert sorted(versions) == list(range(2, 26))
    medium = client.ask("GET", path).json
    assert (medium["version"], medium["title"]) == (25, titles[versions.index(25)])


def test_only_its_owner_and_an_administrator_change_or_delete_it(target: Target, client: TusClient) -> None:
    path, other, admin = add(client, "mine"), TusClient(target, "user0002"), TusClient(target, "admin01")
    assert other.ask("GET", path).status == 200
    assert target.ask("PATCH", path, {"title": "yours"}, other.token).status == 403
    assert other.ask("DELETE", path).status == 403
    assert client.ask("DELETE", "/media/media0001").status == 403
    assert target.ask("PATCH", path, {"title": "ours"}, admin.token).status == 200
    assert admin.ask("DELETE", path).status == 204
    assert client.ask("GET", path).status == client.ask("DELETE", path).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"title": ""}, 422),
        ({"title": "x" * 129}, 422),
        ({"title": "a\0b"}, 422),
        ({"tags": ["a b"]}, 422),
        ({"tags": list("abcdefghi")}, 422),
        ({"owner": "user0002"}, 422),
        ({"version": 7}, 422),
        ([], 422),
        (b"{", 400),
    ],
)
def test_a_change_that_breaks_the_rules_is_refused(client: TusClient, body: Any, status: int) -> None:
    path = add(client, "unchanged")
    assert client.target.ask("PATCH", path, body, client.token).status == status
    assert client.ask("GET", path).json["version"] == 1


def test_an_upload_that_is_not_whole_is_no_medium_yet(client: TusClient) -> None:
    path = client.create(2, title="unfinished").replace("/uploads", "/media")
    for method, suffix in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/content"),
        ("GET", "/playlist.m3u8"),
        ("GET", "/segments/0"),
    ):
        assert client.ask(method, path + suffix).status == 404
    assert found(client, "query=unfinished") == []


def test_the_cache_counts_its_reads(own_database_options: list[str]) -> None:
    """By its own statistics and for Prometheus alike; what is too old is a miss, and counted as expired."""
    with Target("--cache-ttl=0.2", *own_database_options) as target:
        client = TusClient(target)
        seen: Counter[str] = Counter()

        def read() -> str:
            found = client.ask("GET", "/media/media0001").headers["x-cache"]
            seen[found] += 1
            return found

        assert read() == "MISS"
        deadline_s = time.monotonic() + PATIENCE_S
        while read() == "HIT" or seen["HIT"] == 0:
            assert time.monotonic() < deadline_s
        part = client.ask("GET", "/cache/statistics").json["caches"]["metadata"]
        assert (part["hits"], part["misses"]) == (seen["HIT"], seen["MISS"])
        assert part["hit_share"] == pytest.approx(seen["HIT"] / seen.total(), abs=1e-6)
        assert part["expirations"] >= seen["MISS"] - 1
        metrics = target.ask("GET", "/metrics").body.decode()
        assert f'target_cache_hits_total{{cache="metadata"}} {float(seen["HIT"])}\n' in metrics
        assert f'target_cache_misses_total{{cache="metadata"}} {float(seen["MISS"])}\n' in metrics


def test_media_want_a_token(target: Target) -> None:
    for path in ("/media", "/media/media0001", "/media/media0001/content", "/cache/statistics", "/uploads/x"):
        assert target.ask("GET", path).status == 401
