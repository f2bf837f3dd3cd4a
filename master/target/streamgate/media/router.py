"""The handlers under /media for metadata: found, read, changed and deleted."""

from __future__ import annotations

from msgspec import UNSET
from starlette.responses import Response

from master.target.api import errors
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.streamgate.media.library import Library
from master.target.streamgate.media.messages import MediaPage, MediaQuery, MediumChange, MediumInfo, info
from master.target.streamgate.media.words import terms
from master.target.streamgate.responses import HIT, MISS, REVALIDATE, prepared
from master.target.streamgate.streaming.conditions import has_changed

_JSON = (b"content-type", b"application/json")


class MediaApi(Domain):
    """Whoever is signed in sees all that is complete; an owner changes its own, an administrator all."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        one = "/media/{id}"
        return [
            Endpoint("GET", "/media", self.search, "Find media", query=MediaQuery, reply=MediaPage, limited=True),
            Endpoint(
                "GET",
                one,
                self.read,
                "Metadata of a medium",
                reply=MediumInfo,
                other_statuses=(304,),
                limited=True,
                cacheable=True,
            ),
            Endpoint(
                "PATCH",
                one,
                self.change,
                "Change title or tags",
                body=MediumChange,
                reply=MediumInfo,
                errors=(403,),
                audited=True,
                limited=True,
            ),
            Endpoint(
                "DELETE", one, self.delete, "Delete a medium", status=204, errors=(403,), audited=True, limited=True
            ),
        ]

    async def search(self, call: Call) -> MediaPage:
        """By words of the title and a tag; all, newest first, without them."""
        query: MediaQuery = call.query
        wanted = terms(query.query, () if query.tag is None else (query.tag,))
        if query.query.strip() and not wanted:
            return MediaPage([], None)  # signs alone, which no title is found by
        found = await self._library.media.search(wanted, query.after, query.limit)
        following = found[-1].serial if len(found) == query.limit else None
        return MediaPage([info(medium) for medium in found], following)

    async def read(self, call: Call) -> Response:
        """Cached; 304 for whoever has it."""
        cached, hit = await self._library.find(call.path["id"])
        headers = [(b"etag", cached.etag.encode()), REVALIDATE, HIT if hit else MISS]
        if has_changed(call.request.headers.get("if-none-match", UNSET), cached.etag):
            return prepared(200, [_JSON, *headers], cached.body)
        return prepared(304, headers)

    async def change(self, call: Call) -> MediumInfo:
        """What is cached of it is dropped."""
        wanted: MediumChange = call.body
        if wanted.title is None and wanted.tags is None:
            raise errors.invalid("nothing to change: give title or tags")
        return info(await self._library.change(call.path["id"], call.caller, wanted.title, wanted.tags))

    async def delete(self, call: Call) -> Response:
        """With its content."""
        await self._library.delete(call.path["id"], call.caller)
        return prepared(204, [])
