"""Bodies of hostile servers: wrong lengths, chunks without end, decompression bombs; and uploads that are refused."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import gevent
import pytest
from gevent.event import Event
from hostile_answers import MIB, OK, assert_one_failure, endless, holds, memory_below, resets
from http_server import PATIENCE_S, Exchange, Server, Visitor, last, reply

from worker.http.errors import BadAnswerError

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MAX_BODY = 2 * MIB
TOO_LARGE = f"exceeds {MAX_BODY} bytes"


@pytest.fixture
def user(server: Server) -> Visitor:
    return server.visitor(max_body_bytes=MAX_BODY)


BODIES: dict[str, tuple[bytes, str]] = {
    "an invalid chunk": (CHUNKED + b"what?\r\n", "chunk size"),
    "a negative chunk": (CHUNKED + b"-1\r\nx\r\n", "chunk size"),
    "a chunk without a size": (CHUNKED + b"\r\nhello\r\n", "chunk size"),
    "a chunk of 0x5": (CHUNKED + b"0x5\r\nhello\r\n", "chunk size"),
    "a chunk of 16**17 - 1": (CHUNKED + b"f" * 17 + b"\r\nhello", "Chunk size overflow"),
    "a chunk longer than its size": (CHUNKED + b"2\r\nhello\r\n", "invalid chunked body"),
    "chunks without ends": (CHUNKED + b"5\r\nhello5\r\nhello", "invalid chunked body"),
    "chunks without ends, behind bare line feeds": (CHUNKED + b"5\nhello5\nhello", "invalid chunked body"),
    "chunks with bare carriage returns": (CHUNKED + b"5\rhello\r0\r\r", "chunk size"),
    "a trailer without a colon": (CHUNKED + b"0\r\nnonsense\r\n\r\n", "invalid chunked body"),
    "too large, announced": (OK + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), TOO_LARGE),
    "too large a chunk": (CHUNKED + b"%x\r\n" % (2 * MAX_BODY) + bytes(MAX_BODY + 1), TOO_LARGE),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_breaks_its_promise_is_one_failure(server: Server, user: Visitor, case: str) -> None:
    """A body that breaks its framing is a failure at once, though the server keeps the connection open."""
    data, words = BODIES[case]
    server.on("/hostile", holds(data))
    assert_one_failure(server, user, words)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (OK + b"Content-Length: 9\r\n\r\nabc", "before the announced end"),
        (OK + b"Content-Length: 9\r\n\r\n", "before the announced end"),
        (CHUNKED, "within a chunked body"),
        (CHUNKED + b"9\r\nabc", "within a chunked body"),
        (CHUNKED + b"3\r\nabc\r\n", "within a chunked body"),
        (CHUNKED + b"3\r\nabc\r\n0\r\nT: u\r\n", "within a chunked body"),
    ],
    ids=["part", "nothing", "no chunk", "half a chunk", "no last chunk", "half a trailer"],
)
def test_a_body_that_is_cut_off_is_one_failure(server: Server, user: Visitor, data: bytes, words: str) -> None:
    """A body that is cut off is not taken for a shorter one."""
    server.on("/hostile", last(data))
    assert_one_failure(server, user, words)


@pytest.mark.parametrize(
    ("start", "unit", "words"),
    [
        (OK + b"Connection: close\r\n\r\n", b"x", TOO_LARGE),
        (CHUNKED, b"1\r\na\r\n", TOO_LARGE),
        (CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n", TOO_LARGE),
        (CHUNKED + b"f" * 15 + b"\r\n", b"x", TOO_LARGE),
        (CHUNKED + b"0\r\n", b"T: u\r\n", "without any body"),
        (CHUNKED + b"0\r\nT: ", b"x", "without any body"),
        (CHUNKED + b"1;", b"x", "without any body"),
        (CHUNKED, b"0", "without any body"),
    ],
    ids=["body", "small chunks", "chunks", "chunk", "trailers", "trailer", "extension", "zeros"],
)
def test_a_body_without_end_is_cut_off(  # the case has three parts
    server: Server, user: Visitor, start: bytes, unit: bytes, words: str
) -> None:
    """A body without end is given up long before it fills the memory."""
    server.on("/hostile", endless(start, unit))
    with memory_below(4 * MAX_BODY):
        assert_one_failure(server, user, words)


@pytest.mark.parametrize("way", ["announced", "chunked", "until the end"])
def test_a_small_limit_is_a_limit(server: Server, way: str) -> None:
    """A body above the limit is refused even if the whole response comes in one segment."""
    head = {"announced": b"Content-Length: 101\r\n\r\n", "chunked": b"Transfer-Encoding: chunked\r\n\r\n65\r\n"}
    data = OK + head.get(way, b"Connection: close\r\n\r\n") + bytes(101)
    server.on("/hostile", last(data + b"\r\n0\r\n\r\n" * (way == "chunked")))
    user = server.visitor(max_body_bytes=100)
    for _ in range(2):
        assert user.client.get("/hostile").content is None
    assert [str(each["exception"])[:31] for each in user.fired] == ["the body exceeds 100 bytes; rai"] * 2


def flushed(window_bits: int, header: bytes) -> bytes:
    """A brotli stream of 10 MB, of which each 16 kB decode to 16 MiB on their own."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    block = compressor.compress(bytes(16 * MIB)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return header + block * (10_000_000 // len(block))


def brotli_bomb() -> bytes:
    compressor = brotli.Compressor(quality=1)
    pieces = [compressor.process(bytes(MIB)) for _ in range(1100)]
    return b"".join([*pieces, compressor.finish()])


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: flushed(-15, gzip.compress(b"")[:10]),
    "deflate": lambda: flushed(-15, b"\x78\x9c"),
    "br": brotli_bomb,
    "gzip, gzip": lambda: gzip.compress(flushed(-15, gzip.compress(b"")[:10])),
}


def read_all(answer: Any, at_most: int) -> None:
    """Raises what made the request fail, or its stream."""
    read = 0
    for piece in answer.iter_content(chunk_size=MIB, decode_content=False):
        read += len(piece)
        assert read <= at_most
    answer.raise_for_status()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("encoding", BOMBS)
def test_a_bomb_does_not_go_off(server: Server, encoding: str, *, stream: bool) -> None:
    """A bomb of more than 1 GiB in at most 10 MB is a failure; read as a stream, it raises, since its request was recorded before."""
    user = server.visitor(max_body_bytes=16 * MIB)
    server.on("/hostile", last(reply(BOMBS[encoding](), f"Content-Encoding: {encoding}")))
    with memory_below(100 * MIB):
        if stream:
            with pytest.raises(BadAnswerError, match="unpacks to more than"):
                read_all(user.client.get("/hostile", stream=True), at_most=17 * MIB)
        else:
            assert_one_failure(server, user, f"unpacks to more than {16 * MIB} bytes")


def test_many_small_members_do_not_stop_the_others(server: Server, user: Visitor) -> None:
    """Many small gzip members take about as long to decode as one large one, during which no other user can run."""
    body = gzip.compress(b"") * 990 + gzip.compress(bytes(16 * MIB), compresslevel=0)
    user = server.visitor(max_body_bytes=32 * MIB)
    server.on("/hostile", reply(body, "Content-Encoding: gzip"))
    before_s = time.process_time()
    user.client.get("/hostile")
    assert time.process_time() - before_s < 1


HELLO = b"hello " * 100
ENCODED: dict[str, tuple[bytes, str, str]] = {
    "cut gzip": (gzip.compress(HELLO)[:-5], "gzip", "gzip body ends too early"),
    "cut deflate": (zlib.compress(HELLO)[:-5], "deflate", "deflate body ends too early"),
    "cut br": (brotli.compress(HELLO)[:-5], "br", "br body ends too early"),
    "gzip in cut gzip": (gzip.compress(gzip.compress(HELLO)[:-5]), "gzip, gzip", "gzip body ends too early"),
    "a gzip header only": (gzip.compress(HELLO)[:10], "gzip", "gzip body ends too early"),
    "one byte of deflate": (b"\x78", "deflate", "deflate body ends too early"),
    "gzip that is none": (HELLO, "gzip", "gzip body is damaged"),
    "gzip, then something else": (gzip.compress(HELLO) + HELLO, "gzip", "gzip body is damaged"),
    "br, then something else": (brotli.compress(HELLO) + HELLO, "br", "br body is damaged"),
    "an unknown encoding": (HELLO, "rot13", "unknown content encoding 'rot13'"),
    "an unknown encoding beneath": (gzip.compress(HELLO), "rot13, gzip", "unknown content encoding 'rot13'"),
    "a long encoding": (HELLO, "x" * 30_000, "unknown content encoding 'xxx"),
    "many encodings": (HELLO, ", ".join(["gzip"] * 1000), "1000 content encodings"),
}


@pytest.mark.parametrize("case", ENCODED)
def test_a_body_that_does_not_unpack_is_one_failure(server: Server, user: Visitor, case: str) -> None:
    """A damaged body is one failure with a short message; its connection may be kept."""
    body, encoding, words = ENCODED[case]
    server.on("/hostile", reply(body, f"Content-Encoding: {encoding}"))
    assert_one_failure(server, user, words, closes=False)
    assert len(str(user.fired[0]["exception"])) < 300


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
        ("br, gzip", lambda body: gzip.compress(brotli.compress(body))),
    ],
    ids=["gzip-gzip", "br-gzip"],
)
def test_a_body_that_is_encoded_twice_is_decoded_twice(
    server: Server, user: Visitor, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    """Two codings are undone, whether the server names them in one line or in two."""
    first, _, second = encoding.partition(", ")
    server.on(
        "/",
        reply(pack(HELLO), f"Content-Encoding: {encoding}"),
        reply(pack(HELLO), f"Content-Encoding: {first}", f"Content-Encoding: {second}"),
    )
    for _ in range(2):
        assert user.client.get("/").content == HELLO
    assert [each["exception"] for each in user.fired] == [None, None]


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 ",
        OK + b"A: ",
        OK + b"Content-Length: 9999\r\n\r\n",
        CHUNKED + b"fff\r\n",
        CHUNKED + b"1;",
        CHUNKED + b"0\r\nT: ",
    ],
    ids=["status line", "header", "body", "chunk", "extension", "trailer"],
)
def test_a_slow_drip_is_given_up(server: Server, start: bytes) -> None:
    """A response that is never silent for long and never complete is given up after response_timeout."""

    def drip(at: Exchange) -> None:
        at.send(start)
        while True:
            at.send(b"1")
            gevent.sleep(0.01)

    server.on("/hostile", drip)
    user = server.visitor(network_timeout=5, response_timeout=1.5)
    assert_one_failure(server, user, "not complete within 1.5 s")
    assert isinstance(user.fired[0]["exception"], TimeoutError)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 2",
        OK + b"A: b\r\n",
        OK + b"Content-Length: 9\r\n\r\nabc",
        CHUNKED + b"9\r\nabc",
        b"HTTP/1.1 100 C\r\n\r\n",
    ],
    ids=["nothing", "status line", "header", "body", "chunk", "interim answer"],
)
def test_silence_in_the_middle_is_given_up(server: Server, start: bytes) -> None:
    """The message tells a server that sends nothing from one that stops."""
    server.on("/hostile", holds(start))
    user = server.visitor(network_timeout=1)
    assert_one_failure(server, user, "stalled for 1 s" if start else "no answer for 1 s")
    assert isinstance(user.fired[0]["exception"], TimeoutError)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Type: text/plain; charset=utf-8", "Content-Type: text/html"),
        ("Content-Type: text/plain; charset=idna",),
        ("Content-Type: text/plain; charset=undefined",),
        ("Content-Type: text/plain; charset=punycode",),
        ("Content-Type: text/plain; charset=unicode_escape",),
        ("Content-Type: text/plain; charset=raw_unicode_escape",),
        ("Content-Type: text/plain; charset=utf-7",),
        ("Content-Type: text/plain; charset=hex",),
        ("Content-Type: text/plain; charset",),
        ("Content-Type: ;;;=;charset==;charset=",),
    ],
    ids=" and ".join,
)
def test_the_text_of_a_nonsensical_type_is_there(server: Server, user: Visitor, lines: tuple[str, ...]) -> None:
    """A charset that makes no sense leaves a text in which bytes that do not fit are replaced."""
    server.on("/hostile", reply(b"hello \\N \xf6", *lines))
    answer = user.client.get("/hostile")
    assert isinstance(answer.text, str)
    assert user.event["exception"] is None


@pytest.mark.parametrize("end", [holds, last, resets], ids=["waits", "closes", "resets"])
@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "in pieces"])
def test_an_upload_that_is_refused_while_it_is_under_way(
    server: Server, user: Visitor, end: Callable[..., Any], *, pieces: bool
) -> None:
    """The refusal is recorded, not the error of sending; the connection is closed in the middle of the request."""

    def answer(at: Exchange) -> None:
        at.read_some(1000)
        at.send(reply("too much", status="413 Content Too Large"))
        if end is holds:
            at.wait_for_the_client_to_close(whatever_it_sends=True)
        elif end is resets:
            resets(at)
        at.hang_up()

    server.on("/hostile", answer)
    data = (bytes(MIB) for _ in range(32)) if pieces else bytes(32 * MIB)
    assert_one_failure(server, user, "413", method="POST", data=data)


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "in pieces"])
def test_an_upload_that_nobody_reads(server: Server, *, pieces: bool) -> None:
    """An upload that no server reads stalls when the kernel takes no more, and is given up."""
    given_up = Event()

    def answer(at: Exchange) -> None:
        given_up.wait()
        at.wait_for_the_client_to_close(whatever_it_sends=True)
        at.hang_up()

    server.on("/hostile", answer)
    user = server.visitor(network_timeout=0.3)
    data = (bytes(MIB) for _ in range(32)) if pieces else bytes(32 * MIB)
    user.client.post("/hostile", data=data)
    given_up.set()
    assert isinstance(user.event["exception"], TimeoutError)
    server.wait_until(lambda now: now.open == 0)
    assert user.client.get("/", timeout=PATIENCE_S).text == "hello"
