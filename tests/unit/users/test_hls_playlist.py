"""Media playlists as RFC 8216 has them; the sections that are named are its."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.users.streamgate.playlist import MAX_BYTES, Playlist, PlaylistError, Segment, read_playlist

# The first example of RFC 8216, 8.1.
SIMPLE = b"""#EXTM3U
#EXT-X-TARGETDURATION:10
#EXT-X-VERSION:3
#EXTINF:9.009,
http://media.example.com/first.ts
#EXTINF:9.009,
http://media.example.com/second.ts
#EXTINF:3.003,
http://media.example.com/third.ts
#EXT-X-ENDLIST
"""


def playlist(*lines: str) -> bytes:
    return "\n".join(("#EXTM3U", *lines, "")).encode()


def test_the_rfcs_own_example_is_read() -> None:
    found = read_playlist(SIMPLE)
    assert found.target_duration_s == 10
    assert found.segments[2] == Segment("http://media.example.com/third.ts", 3.003)
    assert found.duration_s == pytest.approx(21.021)


def test_line_ends_may_be_those_of_either_kind() -> None:
    assert read_playlist(SIMPLE.replace(b"\n", b"\r\n")) == read_playlist(SIMPLE)


def test_comments_blank_lines_and_unknown_tags_are_passed_over() -> None:
    text = playlist(
        "#EXT-X-TARGETDURATION:2",
        "",
        "# a comment",
        "#EXT-X-OF-TOMORROW:1",
        "#EXTINF:2,title",
        "#EXT-X-X",
        "a",
        "#EXT-X-ENDLIST",
    )
    assert read_playlist(text) == Playlist(2, (Segment("a", 2.0),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"does not begin with EXTM3U \(4.3.1.1\)"),
        (b"\xef\xbb\xbf" + SIMPLE, r"does not begin with EXTM3U"),
        (b"#EXTM3U8\n", r"does not begin with EXTM3U"),
        (b"#EXTM3U\n\xff", r"not UTF-8 \(4.1\)"),
        (b"#EXTM3U\n" + b"#\n" * MAX_BYTES, "longer than 65536 bytes"),
        (playlist("#EXTINF:1,", "a", "#EXT-X-ENDLIST"), r"EXT-X-TARGETDURATION is missing \(4.3.3.1\)"),
        (
            playlist("#EXT-X-TARGETDURATION:1.5", "#EXTINF:1,", "a", "#EXT-X-ENDLIST"),
            r"TARGETDURATION is no number \(4.2\)",
        ),
        (
            playlist("#EXT-X-TARGETDURATION:1", "#EXT-X-TARGETDURATION:1"),
            r"EXT-X-TARGETDURATION is there twice \(4.1\)",
        ),
        (playlist("#EXT-X-TARGETDURATION:1", "#EXTINF:1,", "a"), r"EXT-X-ENDLIST is missing"),
        (playlist("#EXT-X-TARGETDURATION:1", "a", "#EXT-X-ENDLIST"), r"a segment has no EXTINF \(4.3.2.1\)"),
        (
            playlist("#EXT-X-TARGETDURATION:1", "#EXTINF:1,", "a", "#EXTINF:1,", "#EXT-X-ENDLIST"),
            "EXTINF has no segment",
        ),
        (playlist("#EXT-X-TARGETDURATION:1", "#EXTINF:1", "a", "#EXT-X-ENDLIST"), "EXTINF has no duration"),
        (playlist("#EXT-X-TARGETDURATION:1", "#EXTINF:-1,", "a", "#EXT-X-ENDLIST"), "EXTINF has no duration"),
        (playlist("#EXT-X-TARGETDURATION:1", "#EXTINF:nan,", "a", "#EXT-X-ENDLIST"), "EXTINF has no duration"),
        (
            playlist("#EXT-X-TARGETDURATION:1", "#EXTINF:2,", "a", "#EXT-X-ENDLIST"),
            r"longer than EXT-X-TARGETDURATION \(4.3.3.1\)",
        ),
        (
            playlist("#EXT-X-TARGETDURATION:2", "#EXTINF:1.5,", "a", "#EXT-X-ENDLIST"),
            r"need EXT-X-VERSION 3 \(4.3.2.1\)",
        ),
        (playlist("#EXT-X-TARGETDURATION:2", "#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-ENDLIST"), "is not VOD"),
        (playlist("#EXT-X-TARGETDURATION:2", "#EXT-X-ENDLIST"), "no segments"),
    ],
)
def test_what_breaks_the_rfc_is_refused_with_the_section(text: bytes, message: str) -> None:
    with pytest.raises(PlaylistError, match=message):
        read_playlist(text)


@given(st.binary(max_size=300).map(lambda rest: b"#EXTM3U\n" + rest))
def test_no_text_makes_the_reader_fail_in_another_way(text: bytes) -> None:
    with suppress(PlaylistError):
        read_playlist(text)
