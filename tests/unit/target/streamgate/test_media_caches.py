"""What a cache gives out, what it lets go of, and what it counts."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from master.target.streamgate.caching.cache import ENTRY_BYTES, Cache


class Value(NamedTuple):
    name: str
    size_bytes: int = 100


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


ENTRY = 100 + ENTRY_BYTES


def test_a_value_is_given_out_until_it_is_too_old() -> None:
    """Its age counts from when it was put, however often it is read."""
    clock = Clock()
    cache: Cache[str, Value] = Cache(10 * ENTRY, 5, clock)
    cache.put("a", Value("a"))
    for clock.now in (0.0, 4.9):
        assert cache.get("a") == Value("a")
    clock.now = 5.0
    assert cache.get("a") is None
    cache.put("b", Value("b"))
    figures = cache.figures()
    assert (figures.hits, figures.misses, figures.expirations, figures.evictions) == (2, 1, 1, 0)
    assert (figures.entries, figures.size_bytes) == (1, ENTRY)


def test_the_least_recently_used_makes_room() -> None:
    cache: Cache[str, Value] = Cache(2 * ENTRY, 5, Clock())
    cache.put("a", Value("a"))
    cache.put("b", Value("b"))
    assert cache.get("a")
    cache.put("c", Value("c"))
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
    assert cache.figures().evictions == 1


def test_a_value_that_takes_several_places_makes_several_go() -> None:
    cache: Cache[str, Value] = Cache(3 * ENTRY, 5, Clock())
    for key in "abc":
        cache.put(key, Value(key))
    cache.put("d", Value("d", 100 + ENTRY))
    assert [cache.get(key) is not None for key in "abcd"] == [False, False, True, True]
    assert cache.figures().size_bytes == 3 * ENTRY


def test_what_is_larger_than_the_cache_is_not_kept_and_drives_nothing_out() -> None:
    cache: Cache[str, Value] = Cache(2 * ENTRY, 5, Clock())
    cache.put("a", Value("a"))
    cache.put("b", Value("b", 2 * ENTRY))
    assert cache.get("b") is None
    assert cache.get("a")


def test_what_was_dropped_is_gone_and_known_to_have_been_dropped() -> None:
    """Also what was not there: somebody may be about to put it."""
    cache: Cache[str, Value] = Cache(2 * ENTRY, 5, Clock())
    cache.put("a", Value("a"))
    cache.drop("a")
    cache.drop("never there")
    assert cache.get("a") is None
    assert cache.drops == 2
    figures = cache.figures()
    assert (figures.entries, figures.size_bytes, figures.evictions, figures.expirations) == (0, 0, 0, 0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["get", "put", "drop", "wait"]), st.integers(0, 9), st.integers(0, 1000)), max_size=100
)


@given(STEPS)
def test_whatever_is_done_the_bounds_hold_and_the_counts_add_up(steps: list[tuple[str, int, int]]) -> None:
    """No value is ever given out that is not the one put last, or is older than the cache allows."""
    clock, max_bytes, ttl_s = Clock(), 4000, 3.0
    cache: Cache[int, Value] = Cache(max_bytes, ttl_s, clock)
    last: dict[int, tuple[Value, float]] = {}
    reads = hits = 0
    for number, (what, key, size) in enumerate(steps):
        if what == "get":
            found = cache.get(key)
            reads, hits = reads + 1, hits + (found is not None)
            if found is not None:
                value, put_at = last[key]
                assert found is value
                assert clock.now < put_at + ttl_s
        elif what == "put":
            value = Value(str(number), size)
            cache.put(key, value)
            last[key] = (value, clock.now)
        elif what == "drop":
            cache.drop(key)
            last.pop(key, None)
        else:
            clock.now += key / 4
        assert cache.figures().size_bytes <= max_bytes
    figures = cache.figures()
    assert (figures.hits, figures.misses) == (hits, reads - hits)
