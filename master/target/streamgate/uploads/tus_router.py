"""The handlers of tus 1.0.0 under /uploads, with its extensions creation, checksum, expiration and termination."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from msgspec import UNSET, Struct
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from master.target.api import errors
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint, Streamed
from master.target.streamgate.media.medium import Medium
from master.target.streamgate.media.parts import MAX_PART_BYTES
from master.target.streamgate.responses import Header, prepared
from master.target.streamgate.streaming.conditions import http_date
from master.target.streamgate.uploads import tus
from master.target.streamgate.uploads.description import read_description
from master.target.streamgate.uploads.intake import MAX_PARTS, Intake
from master.target.streamgate.uploads.messages import (
    MAX_UPLOAD_BYTES,
    CreationHeaders,
    PartHeaders,
    TusHeaders,
    UploadInfo,
)

MAX_CHECKED_BYTES = 4 * 1024 * 1024
"""Of a part with a checksum: it is kept in memory until it is whole, since nothing of a wrong one may be kept."""
_OWNERS = (Role.USER, Role.ADMIN)
_RESUMABLE = ((b"tus-resumable", tus.VERSION.encode()),)


class TusApi(Domain):
    """Users and administrators upload; each sees its own uploads, an administrator all."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        one, part = "/uploads/{id}", Streamed(MAX_UPLOAD_BYTES, tus.MEDIA_TYPE)
        return [
            Endpoint(
                "OPTIONS",
                "/uploads",
                self.options,
                "What of tus there is",
                roles=None,
                status=204,
                answer_headers=_RESUMABLE,
                limited=True,
            ),
            _tus("POST", "/uploads", self.create, "Begin an upload by tus", CreationHeaders, 413, 422, status=201),
            _tus("HEAD", one, self.offset, "How far an upload is", TusHeaders),
            _tus("PATCH", one, self.append, "The next part of an upload", PartHeaders, 409, 460, body=part, status=204),
            _tus("DELETE", one, self.end, "End an upload that is not complete", TusHeaders, 409, status=204),
            Endpoint("GET", one, self.read, "An upload", roles=_OWNERS, reply=UploadInfo, limited=True),
        ]

    async def options(self, _call: Call) -> Response:
        """As tus has it: the one request without Tus-Resumable."""
        return prepared(
            204,
            [
                (b"tus-version", tus.VERSION.encode()),
                (b"tus-max-size", b"%d" % MAX_UPLOAD_BYTES),
                (b"tus-extension", tus.EXTENSIONS.encode()),
                (b"tus-checksum-algorithm", tus.ALGORITHMS.encode()),
            ],
        )

    async def create(self, call: Call) -> Response:
        """Its place is in Location."""
        wanted: CreationHeaders = call.headers
        if wanted.upload_length > MAX_UPLOAD_BYTES:
            raise errors.too_large(MAX_UPLOAD_BYTES)
        title, tags = read_description(_metadata(wanted.upload_metadata))
        upload = await self._intake.begin(call.caller.name, title, tags, wanted.upload_length)
        return prepared(201, [(b"location", f"/uploads/{upload.id}".encode()), *_expiry(upload)])

    async def read(self, call: Call) -> UploadInfo:
        """How far it is, and what became of it."""
        upload = await self._find(call)
        return UploadInfo(
            upload.id,
            upload.complete,
            upload.received_bytes,
            upload.size_bytes,
            upload.id if upload.complete else None,
            upload.sha256,
            upload.expires_at,
        )

    async def offset(self, call: Call) -> Response:
        """From where to go on."""
        upload = await self._find(call)
        length = (b"upload-length", b"%d" % upload.size_bytes)
        return prepared(200, [_offset(upload), length, *_expiry(upload)])

    async def append(self, call: Call) -> Response:
        """What has come is kept part by part, also if the rest does not; of a part with a checksum all or nothing."""
        wanted: PartHeaders = call.headers
        upload = await self._find(call)
        checksum = None if wanted.upload_checksum is UNSET else _checksum(wanted.upload_checksum)
        if upload.complete or wanted.upload_offset != upload.received_bytes:
            raise errors.conflict(f"Upload-Offset must be {upload.received_bytes}")
        left_bytes = upload.size_bytes - upload.received_bytes
        if int(call.request.headers.get("content-length", 0)) > left_bytes:
            raise errors.too_large(left_bytes)
        if checksum is None:
            upload = await self._append_as_it_comes(upload, call)
        else:
            content = await _whole(call, min(left_bytes, MAX_CHECKED_BYTES))
            if not checksum.matches(content):
                raise errors.checksum_mismatch()
            upload = await self._append(upload, content)
        place = ((b"content-location", f"/media/{upload.id}".encode()),) if upload.complete else ()
        return prepared(204, [_offset(upload), *_expiry(upload), *place])

    async def end(self, call: Call) -> Response:
        """What was received is forgotten. A complete one is deleted as a medium."""
        upload = await self._find(call)
        if upload.complete:
            raise errors.conflict("the upload is complete: delete the medium")
        await self._intake.end(upload)
        return prepared(204, [])

    async def _append_as_it_comes(self, upload: Medium, call: Call) -> Medium:
        waiting: list[bytes] = []
        waiting_bytes = 0
        try:
            async with aclosing(call.body.pieces()) as pieces:
                async for piece in pieces:
                    waiting.append(piece)
                    waiting_bytes += len(piece)
                    if upload.received_bytes + waiting_bytes > upload.size_bytes:
                        raise errors.too_large(upload.size_bytes - upload.received_bytes)
                    if waiting_bytes >= MAX_PART_BYTES:
                        upload = await self._append(upload, b"".join(waiting))
                        waiting, waiting_bytes = [], 0
                        call.body.release()
        except ClientDisconnect:
            if waiting:
                await self._append(upload, b"".join(waiting))
            raise
        return await self._append(upload, b"".join(waiting)) if waiting else upload

    async def _append(self, upload: Medium, content: bytes) -> Medium:
        if not content:
            return upload
        if upload.parts >= MAX_PARTS:
            raise errors.conflict(f"an upload has at most {MAX_PARTS} parts: begin anew with larger ones")
        grown = await self._intake.append(upload, content)
        if grown is None:
            raise errors.conflict("another request has written to this upload meanwhile")
        return grown

    async def _find(self, call: Call) -> Medium:
        found = await self._intake.find(call.path["id"])
        # Another's upload is not told apart from one that does not exist, so that nobody can probe for them.
        if found is None or not (call.caller.is_admin or found.owner == call.caller.name):
            raise errors.not_found("upload")
        return found


def _tus(
    method: str,
    path: str,
    handler: Callable[[Call], Awaitable[Response]],
    summary: str,
    headers: type[Struct],
    *statuses: int,
    **more: Any,
) -> Endpoint:
    async def handle(call: Call) -> Response:
        if call.headers.tus_resumable != tus.VERSION:
            raise errors.version_unsupported(tus.VERSION)
        return await handler(call)

    return Endpoint(
        method,
        path,
        handle,
        summary,
        roles=_OWNERS,
        headers=headers,
        errors=(412, *statuses),
        answer_headers=_RESUMABLE,
        limited=True,
        **more,
    )


async def _whole(call: Call, limit_bytes: int) -> bytes:
    content = bytearray()
    async with aclosing(call.body.pieces()) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) > limit_bytes:
                raise errors.too_large(limit_bytes)
    return bytes(content)


def _metadata(header: str) -> dict[str, str]:
    try:
        return tus.parse_metadata(header)
    except tus.BadHeaderError as error:
        raise errors.bad_request(str(error)) from None


def _checksum(header: str) -> tus.Checksum:
    try:
        return tus.parse_checksum(header)
    except tus.BadHeaderError as error:
        raise errors.bad_request(str(error)) from None


def _offset(upload: Medium) -> Header:
    return (b"upload-offset", b"%d" % upload.received_bytes)


def _expiry(upload: Medium) -> tuple[Header, ...]:
    if upload.expires_at is None:
        return ()
    return ((b"upload-expires", http_date(upload.expires_at).encode()),)
