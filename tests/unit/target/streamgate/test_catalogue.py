"""The media that are there at first, their content, and the words by which media are found."""

from __future__ import annotations

from hashlib import shake_256

from hypothesis import given
from hypothesis import strategies as st

from master.target.streamgate.media.catalogue import COUNT, MAX_BYTES, MIN_BYTES, catalogue
from master.target.streamgate.media.generated import BLOCK_BYTES, generated
from master.target.streamgate.media.words import MAX_WORDS, terms, words


def test_the_catalogue_is_the_same_each_time() -> None:
    first, second = list(catalogue()), list(catalogue())
    assert first == second
    assert len({each.id for each in first}) == COUNT
    assert (first[0].id, first[-1].id) == ("media0001", "media0200")
    assert all(MIN_BYTES <= each.size_bytes <= MAX_BYTES for each in first)
    assert len({each.tags for each in first}) > 20


@given(st.integers(1, COUNT), st.integers(0, MAX_BYTES), st.integers(0, 300_000))
def test_each_byte_of_the_catalogue_follows_the_rule_that_is_written_down(seed: int, start: int, length: int) -> None:
    content = generated(seed, start, start + length)
    assert len(content) == length
    block = shake_256(b"piswarm").digest(BLOCK_BYTES)
    for position in {0, length // 2, length - 1} if length else ():
        assert content[position] == block[(start + position + 65537 * seed) % 1048573]


def test_words_are_compared_without_regard_to_case_and_composition() -> None:
    assert words("Über-Größe, ÜBER_größe; e\u0301t\u00e9 ﬁn") == ["über", "grösse", "été", "fin"]
    assert words(" .,-_ ") == []
    assert len(words(" ".join(map(str, range(100))))) == MAX_WORDS


def test_a_tag_is_told_from_a_word() -> None:
    assert terms("News at #news", ["news", "hd", "news"]) == ["news", "at", "#news", "#hd"]


@given(st.text(max_size=200))
def test_any_text_has_words_that_are_found_again(text: str) -> None:
    found = words(text)
    assert words(" ".join(found))[: len(found)] == words(" ".join(words(" ".join(found))))[: len(found)]
    assert all(word and len(word) <= 32 and "#" not in word for word in found)
