"""The reader yields the same response however its bytes arrive, and refuses what is none with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.http.errors import BadAnswerError
from worker.http.protocol import response_head as heads
from worker.http.protocol.reader import MAX_INTERIM, Reader
from worker.http.protocol.response_head import MAX_HEAD_BYTES

MAX_BODY = 1000


@dataclass(frozen=True)
class Answer:
    """A response on the wire, and its meaning."""

    wire: bytes
    status: int
    body: bytes
    reusable: bool
    ends_with_connection: bool = False
    bodiless: bool = False


def known_length(status: int, body: bytes) -> Answer:
    return Answer(
        b"HTTP/1.1 %d X\r\nA: b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body), status, body, True
    )


def chunked(status: int, chunks: list[bytes]) -> Answer:
    wire = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nTrailer: t\r\n\r\n"
    head = b"HTTP/1.1 %d\r\nTransfer-Encoding: chunked\r\n\r\n" % status
    return Answer(head + wire, status, b"".join(chunks), True)


def until_close(status: int, body: bytes) -> Answer:
    return Answer(b"HTTP/1.0 %d OK\r\n\r\n%b" % (status, body), status, body, False, ends_with_connection=True)


def closing(answer: Answer) -> Answer:
    wire = answer.wire.replace(b"\r\n", b"\r\nConnection: Close\r\n", 1)
    return Answer(wire, answer.status, answer.body, False, answer.ends_with_connection)


def after_interims(answer: Answer) -> Answer:
    interims = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
    return Answer(interims + answer.wire, answer.status, answer.body, answer.reusable, answer.ends_with_connection)


def bodiless(length: int) -> Answer:
    return Answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length, 200, b"", True, bodiless=True)


def without_body(status: int) -> Answer:
    return Answer(b"HTTP/1.1 %d No\r\nContent-Length: 9\r\n\r\n" % status, status, b"", True)


statuses = st.sampled_from([200, 201, 206, 301, 404, 500, 599, 999])
bodies = st.binary(max_size=300)
plain = (
    st.builds(known_length, statuses, bodies)
    | st.builds(chunked, statuses, st.lists(st.binary(min_size=1, max_size=80), max_size=4))
    | st.builds(until_close, statuses, bodies)
)
answers = plain | plain.map(closing) | plain.map(after_interims)
answers |= st.builds(bodiless, st.integers(0, 99)) | st.builds(without_body, st.sampled_from([204, 304]))


def feed(reader: Reader, answer: Answer, cuts: list[int]) -> bytes:
    """Feed the response to `reader` in pieces; returns the body as a reader of a streamed response would have taken it."""
    edges = [0, *sorted(cut % (len(answer.wire) + 1) for cut in cuts), len(answer.wire)]
    taken = b""
    for start, end in pairwise(edges):
        if start == end:
            continue
        assert not reader.complete
        ready = reader.feed(answer.wire[start:end])
        if reader._streamed and ready:
            taken += reader.pop_content()
        else:
            assert ready == reader.complete
    if answer.ends_with_connection:
        reader.end()
    return taken + reader.pop_content()


@given(st.lists(st.tuples(answers, st.lists(st.integers(0, 2000), max_size=6), st.booleans()), min_size=1, max_size=4))
def test_answers_are_the_same_however_their_bytes_come(script: list[tuple[Answer, list[int], bool]]) -> None:
    """Responses on one connection are the same in any pieces, whole or streamed, with remembered heads and new ones."""
    reader = Reader(MAX_BODY)
    for answer, cuts, streamed in script:
        reader.begin(bodiless=answer.bodiless, streamed=streamed)
        taken = feed(reader, answer, cuts)
        assert reader.head is not None
        assert (reader.head.status, reader.complete, reader.reusable) == (answer.status, True, answer.reusable)
        assert (reader.body or taken) == answer.body


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=3))
def test_garbage_is_refused_or_waits_for_more(garbage: bytes, cuts: list[int]) -> None:
    """Garbage raises BadAnswerError or waits for more bytes; it never becomes a response or another exception."""
    reader = Reader(MAX_BODY)
    try:
        feed(reader, Answer(b"HTTP/1.1 200 OK\r\n" + garbage, 200, b"", True), cuts)
    except (BadAnswerError, AssertionError):
        return


REFUSED = {
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "not an HTTP/1 answer"),
    "HTTP/2": (b"HTTP/2.0 200 OK\r\n\r\n", "not an HTTP/1 answer"),
    "a status of two digits": (b"HTTP/1.1 42 X\r\n\r\n", "not an HTTP answer"),
    "a status below 100": (b"HTTP/1.1 099 X\r\n\r\n", "not an HTTP/1 answer"),
    "an encoding of the transfer that nobody knows": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "unknown transfer encoding",
    ),
    "a header without a colon": (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "not an HTTP answer"),
    "a head without end": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * MAX_HEAD_BYTES, f"exceeds {MAX_HEAD_BYTES} bytes"),
    "a head that ends too late": (b"HTTP/1.1 200 OK\r\nA: %b\r\n\r\n" % (b"x" * MAX_HEAD_BYTES), "exceeds"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "Content-Length"),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
    "a length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding can't be present with Content-Length",
    ),
    "too large a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "exceeds 1000 bytes"),
    "too much until the end": (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1001, "exceeds 1000 bytes"),
    "too many chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001, "exceeds 1000"),
    "no chunk size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "invalid chunked body"),
    "trailers without end": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * MAX_HEAD_BYTES,
        "without any body",
    ),
    "another protocol unasked": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "switched"),
    "nothing but interim answers": (b"HTTP/1.1 102 Processing\r\n\r\n" * (MAX_INTERIM + 1), "interim"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_breaks_http_is_refused_with_the_reason(case: str) -> None:
    wire, reason = REFUSED[case]
    with pytest.raises(BadAnswerError, match=reason):
        Reader(MAX_BODY).feed(wire)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 O", "within the head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "before the announced end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "within a chunked body"),
    ],
)
def test_an_end_in_the_middle_is_told(wire: bytes, reason: str) -> None:
    reader = Reader(MAX_BODY)
    if wire:
        reader.feed(wire)
    with pytest.raises(BadAnswerError, match=reason):
        reader.end()


def test_the_memory_of_heads_is_bounded() -> None:
    """A server that makes up a new head for each response fills no memory."""
    for number in range(1000):
        heads.parse(b"HTTP/1.1 200 OK\r\nX: %d\r\n\r\n" % number)
    assert len(heads.remembered) <= 256
    before = len(heads.remembered)
    heads.parse(b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"x" * 5000))
    assert len(heads.remembered) == before
