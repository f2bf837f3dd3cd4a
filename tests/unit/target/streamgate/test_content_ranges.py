"""Which bytes a Range asks for, whether a condition holds, and what a playlist lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from master.target.streamgate.media.medium import SEGMENT_BYTES, SEGMENT_S
from master.target.streamgate.streaming.conditions import has_changed, http_date, may_resume
from master.target.streamgate.streaming.playlist import playlist
from master.target.streamgate.streaming.ranges import Span, UnsatisfiableRangeError, parse_range

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-999", (0, 1000)),
        ("bytes=0-1000", (0, 1000)),
        ("bytes=999-", (999, 1000)),
        ("bytes=500-99999999999999999999999999", (500, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-1000", (0, 1000)),
        ("bytes=-99999999999999999999999999", (0, 1000)),
        ("BYTES= 0-9 ", (0, 10)),
        ("bytes=000-009", (0, 10)),
    ],
)
def test_a_range_within_the_content_is_cut_to_it(header: str, span: tuple[int, int]) -> None:
    assert parse_range(header, SIZE) == Span(*span)


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", f"bytes={'9' * 10_000}-"])
def test_a_range_without_a_byte_of_the_content_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, SIZE)


@pytest.mark.parametrize("header", ["bytes=0-0", "bytes=-1"])
def test_an_empty_content_has_no_range(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 0)


@pytest.mark.parametrize(
    "header",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-1,5-6", "seconds=0-1", "bytes=1--2"),
        *("bytes=0x1-", "bytes=\u0660-\u0661", "bytes=0-0\r\nx", "bytes=+1-2", "bytes=" + "0-1," * 10_000),
    ],
)
def test_what_is_no_single_range_of_bytes_is_ignored(header: str) -> None:
    assert parse_range(header, SIZE) is None


@given(st.integers(0, 30), st.integers(0, 30) | st.none(), st.integers(0, 20))
def test_a_range_is_what_slicing_gives(first: int, last: int | None, size_bytes: int) -> None:
    content = bytes(range(size_bytes))
    expected = content[first:] if last is None else content[first : last + 1]
    header = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert parse_range(header, size_bytes) is None
    elif not expected:
        with pytest.raises(UnsatisfiableRangeError):
            parse_range(header, size_bytes)
    else:
        span = parse_range(header, size_bytes)
        assert span is not None
        assert content[span.start : span.end] == expected
        assert span.length == len(expected)


@pytest.mark.parametrize(
    ("header", "changed"),
    [
        (UNSET, True),
        ('"a-1"', False),
        ('W/"a-1"', False),
        ('"b", "a-1"', False),
        ("*", False),
        ('"a-2"', True),
        ("", True),
    ],
)
def test_who_has_the_tag_has_what_did_not_change(header: str | UnsetType, changed: bool) -> None:
    assert has_changed(header, '"a-1"') is changed


@pytest.mark.parametrize(
    ("header", "resumes"),
    [
        (UNSET, True),
        ('"a"', True),
        ('W/"a"', False),
        ('"b"', False),
        ("Thu, 01 Jan 1970 00:00:01 GMT", True),
        ("Thu, 01 Jan 1970 00:00:02 GMT", False),
        ("nonsense", False),
    ],
)
def test_a_download_is_resumed_only_of_the_same_content(header: str | UnsetType, resumes: bool) -> None:
    assert may_resume(header, '"a"', http_date(1.9)) is resumes


@given(st.integers(0, 5 * SEGMENT_BYTES))
def test_a_playlist_lists_each_segment_with_how_long_it_plays(size_bytes: int) -> None:
    lines = playlist(size_bytes).decode().splitlines()
    assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:3"]
    assert lines[-1] == "#EXT-X-ENDLIST"
    durations_s = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    names = [line for line in lines if not line.startswith("#")]
    assert names == [f"segments/{number}" for number in range(-(-size_bytes // SEGMENT_BYTES))]
    assert len(durations_s) == len(names)
    assert all(duration_s <= SEGMENT_S for duration_s in durations_s)
    assert sum(durations_s) == pytest.approx(size_bytes / SEGMENT_BYTES * SEGMENT_S, abs=1e-4)
