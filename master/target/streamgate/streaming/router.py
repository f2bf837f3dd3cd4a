"""The handlers under /media for content: ranges of it, the playlist, and segments."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from msgspec import UNSET
from starlette.responses import Response

from master.target.api import errors
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.streamgate.media.library import Library, Segment
from master.target.streamgate.media.medium import SEGMENT_BYTES, Medium
from master.target.streamgate.responses import HIT, IMMUTABLE, MISS, Header, PiecesResponse, prepared
from master.target.streamgate.streaming import playlist
from master.target.streamgate.streaming.conditions import has_changed, may_resume
from master.target.streamgate.streaming.messages import ConditionHeaders, ContentHeaders
from master.target.streamgate.streaming.ranges import Span, UnsatisfiableRangeError, parse_range

_OCTETS: Header = (b"content-type", b"application/octet-stream")
_PLAYLIST: Header = (b"content-type", playlist.MEDIA_TYPE.encode())
_RANGES: Header = (b"accept-ranges", b"bytes")


class StreamingApi(Domain):
    """Content never changes: what a client has of it stays good."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        one = "/media/{id}"
        return [
            Endpoint(
                "GET",
                f"{one}/content",
                self.content,
                "The content, or a range of it",
                headers=ContentHeaders,
                reply="application/octet-stream",
                other_statuses=(206, 304),
                errors=(416,),
                limited=True,
                cacheable=True,
            ),
            Endpoint(
                "GET",
                f"{one}/playlist.m3u8",
                self.playlist,
                "The segments as a playlist of HTTP Live Streaming",
                headers=ConditionHeaders,
                reply=playlist.MEDIA_TYPE,
                other_statuses=(304,),
                limited=True,
                cacheable=True,
            ),
            Endpoint(
                "GET",
                f"{one}/segments/{{n}}",
                self.segment,
                "A segment of the content",
                headers=ConditionHeaders,
                reply="application/octet-stream",
                other_statuses=(304,),
                limited=True,
                cacheable=True,
            ),
        ]

    async def content(self, call: Call) -> Response:
        """A single range is answered with 206; several, and what is no range, with the whole."""
        wanted: ContentHeaders = call.headers
        cached, _ = await self._library.find(call.path["id"])
        medium = cached.medium
        etag, modified = f'"{medium.id}"', cached.last_modified
        headers = [(b"etag", etag.encode()), (b"last-modified", modified.encode()), IMMUTABLE, _RANGES]
        if not has_changed(wanted.if_none_match, etag):
            return prepared(304, headers)
        span = None
        if wanted.range is not UNSET and call.request.method == "GET" and may_resume(wanted.if_range, etag, modified):
            span = _span(wanted.range, medium.size_bytes)
        if span is None:
            whole = Span(0, medium.size_bytes)
            return PiecesResponse(200, [_OCTETS, *headers], whole.length, self._pieces(medium, whole))
        headers.append((b"content-range", b"bytes %d-%d/%d" % (span.start, span.end - 1, medium.size_bytes)))
        number = span.start // SEGMENT_BYTES
        if number != (span.end - 1) // SEGMENT_BYTES:
            return PiecesResponse(206, [_OCTETS, *headers], span.length, self._pieces(medium, span))
        segment, hit = await self._library.segment(medium, number)
        return prepared(206, [_OCTETS, *headers, HIT if hit else MISS], _cut(segment, number, span))

    async def playlist(self, call: Call) -> Response:
        """It never changes either."""
        wanted: ConditionHeaders = call.headers
        cached, hit = await self._library.find(call.path["id"])
        etag = f'"{cached.medium.id}-playlist"'
        headers = [(b"etag", etag.encode()), IMMUTABLE, HIT if hit else MISS]
        if not has_changed(wanted.if_none_match, etag):
            return prepared(304, headers)
        return prepared(200, [_PLAYLIST, *headers], playlist.playlist(cached.medium.size_bytes))

    async def segment(self, call: Call) -> Response:
        """Whole, with its digest."""
        wanted: ConditionHeaders = call.headers
        number = _number(call.path["n"])
        cached, _ = await self._library.find(call.path["id"])
        if number >= cached.medium.segments:
            raise errors.not_found("segment")
        etag = f'"{cached.medium.id}-{number}"'
        if not has_changed(wanted.if_none_match, etag):
            return prepared(304, [(b"etag", etag.encode()), IMMUTABLE])
        segment, hit = await self._library.segment(cached.medium, number)
        headers = [
            _OCTETS,
            (b"etag", etag.encode()),
            (b"content-digest", segment.digest),
            IMMUTABLE,
            HIT if hit else MISS,
        ]
        return prepared(200, headers, segment.content)

    async def _pieces(self, medium: Medium, span: Span) -> AsyncGenerator[memoryview]:
        for number in range(span.start // SEGMENT_BYTES, -(-span.end // SEGMENT_BYTES)):
            segment, _ = await self._library.segment(medium, number)
            yield _cut(segment, number, span)


def _cut(segment: Segment, number: int, span: Span) -> memoryview:
    """What of segment `number` lies within the span."""
    start = number * SEGMENT_BYTES
    return memoryview(segment.content)[max(0, span.start - start) : span.end - start]


def _span(header: str, size_bytes: int) -> Span | None:
    try:
        return parse_range(header, size_bytes)
    except UnsatisfiableRangeError:
        raise errors.range_not_satisfiable(size_bytes) from None


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    raise errors.not_found("segment")
