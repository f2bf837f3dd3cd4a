"""A response that breaks HTTP's grammar has one meaning, however its bytes are cut, or is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from worker.http.errors import BadAnswerError, StrayBytesError
from worker.http.protocol import response_head as heads
from worker.http.protocol.reader import Reader

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Meaning:
    """The meaning of a response: its status, its fields without those of the body's length, its body."""

    body: bytes = b"hello"
    fields: tuple[tuple[str, str], ...] = ()
    status: int = 200
    keeps_connection: bool = True
    bodiless: bool = False
    ends_with_connection: bool = False


X = (("X", "a"),)
ANSWERS = {
    "as it should be": (OK + b"X: a\r\n" + HELLO, Meaning(fields=X)),
    "a folded value": (OK + b"X: a\r\n b\r\n\t c\r\nY: d\r\n" + HELLO, Meaning(fields=(("X", "a b c"), ("Y", "d")))),
    "a value that begins on the next line": (OK + b"X:\r\n a\r\n" + HELLO, Meaning(fields=X)),
    "a fold of white space alone": (OK + b"X: a\r\n \t\r\n" + HELLO, Meaning(fields=(("X", "a"),))),
    "a folded length": (OK + b"Content-Length:\r\n 5\r\n\r\nhello", Meaning()),
    "a folded encoding": (OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Meaning()),
    "a folded wish to close": (OK + b"Connection:\r\n close\r\n" + HELLO, Meaning(keeps_connection=False)),
    "lines without carriage returns": (b"HTTP/1.1 200 OK\nX: a\nContent-Length: 5\n\nhello", Meaning(fields=X)),
    "lines of both kinds": (OK + b"X: a\nContent-Length: 5\n\r\nhello", Meaning(fields=X)),
    "empty lines in a body after bare line feeds": (
        b"HTTP/1.1 200 OK\nContent-Length: 6\n\n\r\n\r\nab",
        Meaning(b"\r\n\r\nab"),
    ),
    "white space before a colon": (OK + b"X \t: a\r\n" + HELLO, Meaning(fields=X)),
    "a name with a space": (OK + b"X Y(z): a\r\n" + HELLO, Meaning(fields=(("X Y(z)", "a"),))),
    "a line without a name": (OK + b": v\r\nX: a\r\n" + HELLO, Meaning(fields=X)),
    "a control character": (OK + b"X: a\x01b\r\n" + HELLO, Meaning(fields=(("X", "a\x01b"),))),
    "bytes beyond ASCII": (OK + b"X: \xe4\xff\r\n" + HELLO, Meaning(fields=(("X", "\xe4\xff"),))),
    "names in any case": (OK + b"cONTENT-lENGTH: 5\r\nCONNECTION: CLOSE\r\n\r\nhello", Meaning(keeps_connection=False)),
    "the same length twice": (OK + b"Content-Length: 5\r\nX: a\r\n" + HELLO, Meaning(fields=X)),
    "the same length in a list": (OK + b"Content-Length: 5, 05\r\n\r\nhello", Meaning()),
    "chunked in a list with nothing else": (
        OK + b"Transfer-Encoding: identity,, Chunked ,\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Meaning(),
    ),
    "identity alone": (
        OK + b"Transfer-Encoding: identity\r\n\r\nhello",
        Meaning(ends_with_connection=True, keeps_connection=False),
    ),
    "spaces in the status line": (b"HTTP/1.1  200  OK\r\n" + HELLO, Meaning()),
    "no space behind the status": (b"HTTP/1.1 200OK\r\n" + HELLO, Meaning()),
    "no reason": (b"HTTP/1.1 200\r\n" + HELLO, Meaning()),
    "a version in small letters": (b"http/1.0 200 OK\r\n" + HELLO, Meaning(keeps_connection=False)),
    "spaces behind a chunk's size": (CHUNKED + b"5  \r\nhello\r\n0 \r\n\r\n", Meaning()),
    "a chunk size that ends with a line feed alone": (CHUNKED + b"5\nhello\r\n0\r\n\r\n", Meaning()),
    "chunks whose lines all end with a line feed alone": (CHUNKED + b"5\nhello\n0\n\n", Meaning()),
    "chunk lines of both kinds": (CHUNKED + b"3 \nhel\r\n2;a=b\r\nlo\n0\nX: a\n\r\n", Meaning()),
    "line ends at both ends of a chunk behind a bare line feed": (
        CHUNKED + b"6\n\na\nb\r\n\n0\n\n",
        Meaning(b"\na\nb\r\n"),
    ),
    "a folded trailer": (CHUNKED + b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n", Meaning()),
    "an interim answer with a length": (b"HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n" + OK + HELLO, Meaning()),
    "a body until the end": (
        OK + b"X: a\r\n\r\nhello",
        Meaning(fields=X, ends_with_connection=True, keeps_connection=False),
    ),
}
NO_CONTENT = b"HTTP/1.1 204 No\r\nX: a\r\n\r\n"
# What follows the last byte of each is no part of it.
WITH_MORE = {
    "an empty line after a body": (OK + HELLO, b"\r\n", Meaning()),
    "more than announced": (OK + HELLO, b" and more", Meaning()),
    "another answer": (OK + HELLO, OK + HELLO, Meaning()),
    "an answer after chunks": (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", OK + HELLO, Meaning()),
    "more after chunks": (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"more", Meaning()),
    "a body after a folded head": (OK + b"X: a\r\n b\r\n" + HELLO, b"x", Meaning(fields=(("X", "a b"),))),
    "a body of no content": (NO_CONTENT, b"hello", Meaning(b"", X, 204)),
    "a body of no content that is announced": (
        b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n",
        b"{}",
        Meaning(b"", status=204),
    ),
    "chunks of no content": (
        b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\n\r\n",
        Meaning(b"", status=204),
    ),
    "a body of what is not modified": (
        b"HTTP/1.1 304 Not\r\nContent-Length: 3\r\n\r\n",
        b"old",
        Meaning(b"", status=304),
    ),
    "a body to HEAD": (OK + b"Content-Length: 5\r\n\r\n", b"hello", Meaning(b"", bodiless=True)),
    "chunks to HEAD": (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n", Meaning(b"", bodiless=True)),
}
_OF_THE_LENGTH = {"content-length", "transfer-encoding", "connection"}


def cuts(wire: bytes) -> Iterator[list[bytes]]:
    """The ways to cut `wire`: whole, in two pieces at each place, and byte by byte."""
    yield [wire]
    for place in range(1, len(wire)):
        yield [wire[:place], wire[place:]]
    yield [wire[at : at + 1] for at in range(len(wire))]


def meaning(pieces: list[bytes], expected: Meaning, *, streamed: bool) -> tuple[Meaning, bool]:
    """The meaning of `pieces`, and whether any were left when the response was complete."""
    reader = Reader(1000)
    reader.begin(bodiless=expected.bodiless, streamed=streamed)
    left = list(pieces)
    taken = b""
    while left and not reader.complete:
        if reader.feed(left.pop(0)) and streamed:
            taken += reader.pop_content()
    if not reader.complete:
        reader.end()
        taken += reader.pop_content()
    assert reader.head is not None
    fields = tuple(field for field in reader.head.fields if field[0].lower() not in _OF_THE_LENGTH)
    got = Meaning(
        reader.body or taken,
        fields,
        reader.head.status,
        reader.reusable,
        expected.bodiless,
        expected.ends_with_connection,
    )
    return got, bool(left)


def feed_in_vain(reader: Reader, pieces: list[bytes]) -> None:
    """Fail if `pieces` hold a response."""
    for piece in pieces:
        assert not reader.feed(piece), pieces


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_means_the_same_however_it_is_cut(case: str, *, streamed: bool) -> None:
    """A response cut at any of its bytes means the same, both for the first time and when its head is remembered."""
    wire, expected = ANSWERS[case]
    heads.remembered.clear()
    for pieces in [*cuts(wire), [wire]]:
        assert meaning(pieces, expected, streamed=streamed) == (expected, False), pieces


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("case", WITH_MORE)
def test_what_follows_an_answer_is_no_part_of_it(case: str, *, streamed: bool) -> None:
    """Bytes behind a response, with it or later, are no part of it, and the connection carries no other request (RFC 9112 6.3)."""
    wire, more, expected = WITH_MORE[case]
    heads.remembered.clear()
    for pieces in [*cuts(wire + more), [wire + more]]:
        got, left = meaning(pieces, expected, streamed=streamed)
        assert (got.body, got.fields, got.status) == (expected.body, expected.fields, expected.status), pieces
        # An empty line that comes with the end of chunks does no harm to the next answer.
        assert left or not got.keeps_connection or more == b"\r\n", pieces
    got, _ = meaning([wire], expected, streamed=streamed)
    assert got == expected


NOT_CHUNKS = {
    "a carriage return alone behind a size": b"5\rhello\r\n0\r\n\r\n",
    "a carriage return alone behind data": b"5\r\nhello\r0\r\n\r\n",
    "two carriage returns behind a size": b"5\r\r\nhello\r\n0\r\n\r\n",
    "a carriage return within an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "an empty line behind data": b"5\nhello\n\n0\n\n",
    "an empty line before the first size": b"\n5\nhello\n0\n\n",
    "data longer than its size, behind a bare line feed": b"4\nhello\n0\n\n",
    "data shorter than its size, behind a bare line feed": b"6\nhello\n0\n\n",
    "a size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size behind a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "a size of 65 bits": b"1" + b"0" * 16 + b"\r\nhello",
    "a trailer whose name has a space": b"0\r\nX Y: a\r\n\r\n",
}


@pytest.mark.parametrize("case", NOT_CHUNKS)
def test_chunks_that_can_be_misread_are_refused_however_they_are_cut(case: str) -> None:
    """Bare line feeds are accepted in chunk lines, but nothing in which two readers could find different ends of the body."""
    for pieces in cuts(CHUNKED + NOT_CHUNKS[case]):
        reader = Reader(1000)
        with pytest.raises(BadAnswerError, match="invalid chunked body"):
            feed_in_vain(reader, pieces)


AMBIGUOUS = {
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "two lengths in a list": b"Content-Length: 5, 6\r\n\r\nhello!",
    "two lengths, one of them folded": b"Content-Length: 5\r\nContent-Length:\r\n 6\r\n\r\nhello!",
    "a length that is folded into two": b"Content-Length: 5\r\n 6\r\n\r\nhello",
    "a length with a sign": b"Content-Length: +5\r\n\r\nhello",
    "a length with a tail": b"Content-Length: 5x\r\n\r\nhello",
    "a length without one": b"Content-Length: \r\n\r\nhello",
    "a length beyond all bounds": b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "white space before the colon of a length": b"Content-Length : 5\r\n\r\nhello",
    "white space before the colon of an encoding": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a length and chunks, folded": b"Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a length and identity": b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked under another encoding": b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a fold before any header": b" X: a\r\nContent-Length: 5\r\n\r\nhello",
    "a line without a colon": b"nonsense\r\n\r\n",
    "a carriage return within a line": b"X: a\rb\r\nContent-Length: 5\r\n\r\nhello",
    "two carriage returns": b"X: a\r\r\nContent-Length: 5\r\n\r\nhello",
    "a NUL": b"X: a\0b\r\nContent-Length: 5\r\n\r\nhello",
    "a control character in a name": b"X\x01: a\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_can_be_misread_is_refused_however_it_is_cut(case: str) -> None:
    """A head in which two recipients could find different lengths or fields is refused."""
    for pieces in cuts(OK + AMBIGUOUS[case]):
        reader = Reader(1000)
        with pytest.raises(BadAnswerError):
            feed_in_vain(reader, pieces)


@pytest.mark.parametrize("line", [b"\r\n", b"\n"])
def test_an_empty_line_that_comes_late_is_no_part_of_the_next_answer(line: bytes) -> None:
    """An empty line that a server sends behind a body is skipped, even if it comes when the next request is under way."""
    for pieces in cuts(line + b"HTTP/1.1 100 Continue\r\n\r\n" + OK + HELLO):
        reader = Reader(1000)
        for answer in ([OK + HELLO], pieces):
            reader.begin(bodiless=False, streamed=False)
            assert not reader.begun
            assert [reader.feed(piece) for piece in answer] == [False] * (len(answer) - 1) + [True]
            assert (reader.body, reader.reusable) == (b"hello", True)


@pytest.mark.parametrize(("before", "stray"), [(b"", b"\r\n"), (OK + HELLO, b"\r\n\r\n"), (OK + HELLO, b"{}")])
def test_other_bytes_before_an_answer_are_refused(before: bytes, stray: bytes) -> None:
    """Stray bytes raise an error of their own, since on a connection used before they are left over from the last response."""
    for pieces in cuts(stray + OK + HELLO):
        reader = Reader(1000)
        if before:
            assert reader.feed(before)
            reader.begin(bodiless=False, streamed=False)
        with pytest.raises(StrayBytesError):
            feed_in_vain(reader, pieces)
        assert not reader.begun
