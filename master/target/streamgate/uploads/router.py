"""The handlers under /uploads: tus 1.0.0 with creation, checksum, expiration and termination, and a form for small files."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, ClassVar

from msgspec import UNSET
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from master.target.api import errors
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint, Streamed
from master.target.api.metrics import Counter, Gauge
from master.target.streamgate.media.library import Library
from master.target.streamgate.media.medium import Medium
from master.target.streamgate.media.messages import MediaTotals
from master.target.streamgate.media.parts import MAX_PART_BYTES
from master.target.streamgate.responses import Header, prepared
from master.target.streamgate.streaming.conditions import http_date
from master.target.streamgate.uploads import multipart, tus
from master.target.streamgate.uploads.description import read_description
from master.target.streamgate.uploads.intake import Intake
from master.target.streamgate.uploads.messages import (
    MAX_UPLOAD_BYTES,
    CreationHeaders,
    FinishedUpload,
    PartHeaders,
    TusHeaders,
    UploadInfo,
)

MAX_CHECKED_BYTES = 4 * 1024 * 1024
"""Of a part with a checksum: it is kept in memory until it is whole, since nothing of a wrong one may be kept."""
_OWNERS = (Role.USER, Role.ADMIN)
_RESUMABLE: Header = (b"tus-resumable", tus.VERSION.encode())
_NO_STORE: Header = (b"cache-control", b"no-store")
_FORM = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "title": {"maxLength": 128},
        "tags": {"type": "string", "pattern": r"^([a-z0-9-]{1,32}(,[a-z0-9-]{1,32}){0,7})?\Z"},
    },
}


class UploadApi(Domain):
    """Users and administrators upload; each sees its own uploads, an administrator all."""

    summary_types: ClassVar[dict[str, Any]] = {"media": MediaTotals}

    def __init__(self, library: Library, intake: Intake) -> None:
        self._library = library
        self._intake = intake

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        one = "/uploads/{id}"
        part = Streamed(MAX_UPLOAD_BYTES, tus.MEDIA_TYPE)
        form = Streamed(multipart.MAX_FORM_BYTES, multipart.MEDIA_TYPE, _FORM)
        return [
            Endpoint("OPTIONS", "/uploads", self.options, "What of tus there is", roles=None, status=204, limited=True),
            Endpoint(
                "POST",
                "/uploads",
                self.create,
                "Begin an upload by tus",
                roles=_OWNERS,
                headers=CreationHeaders,
                status=201,
                errors=(412, 413, 422),
                limited=True,
            ),
            Endpoint(
                "POST",
                "/uploads/multipart",
                self.upload_form,
                "Upload a file by a form",
                roles=_OWNERS,
                body=form,
                reply=FinishedUpload,
                status=201,
                limited=True,
            ),
            Endpoint("GET", one, self.read, "An upload", roles=_OWNERS, reply=UploadInfo, limited=True),
            Endpoint(
                "HEAD",
                one,
                self.offset,
                "How far an upload is",
                roles=_OWNERS,
                headers=TusHeaders,
                errors=(412,),
                limited=True,
            ),
            Endpoint(
                "PATCH",
                one,
                self.append,
                "The next part of an upload",
                roles=_OWNERS,
                headers=PartHeaders,
                body=part,
                status=204,
                errors=(409, 412, 460),
                limited=True,
            ),
            Endpoint(
                "DELETE",
                one,
                self.end,
                "End an upload that is not complete",
                roles=_OWNERS,
                headers=TusHeaders,
                status=204,
                errors=(409, 412),
                limited=True,
            ),
        ]

    async def start(self) -> None:
        """As Domain."""
        await self._library.open()

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        totals = self._totals()
        return [
            Gauge("target_media", "Media kept", totals.media),
            Gauge("target_media_incomplete", "Uploads that are not complete", totals.incomplete),
            Gauge("target_media_kept_bytes", "Bytes kept of what was uploaded", totals.kept_bytes),
            Counter("target_media_uploads", "Uploads completed since the start", totals.uploads_total),
            Counter("target_media_uploaded_bytes", "Bytes of the uploads completed", totals.uploaded_bytes_total),
        ]

    async def summary(self) -> dict[str, Any]:
        """As Domain."""
        return {"media": self._totals()}

    async def options(self, _call: Call) -> Response:
        """As tus has it; the one request without Tus-Resumable."""
        return prepared(
            204,
            [
                _RESUMABLE,
                (b"tus-version", tus.VERSION.encode()),
                (b"tus-max-size", b"%d" % MAX_UPLOAD_BYTES),
                (b"tus-extension", tus.EXTENSIONS.encode()),
                (b"tus-checksum-algorithm", tus.ALGORITHMS.encode()),
            ],
        )

    async def create(self, call: Call) -> Response:
        """Its place is in Location."""
        wanted: CreationHeaders = call.headers
        _require_version(wanted.tus_resumable)
        if wanted.upload_length > MAX_UPLOAD_BYTES:
            raise errors.too_large(MAX_UPLOAD_BYTES)
        title, tags = read_description(_metadata(wanted.upload_metadata))
        upload = await self._intake.begin(call.caller.name, title, tags, wanted.upload_length)
        return prepared(201, [_RESUMABLE, (b"location", f"/uploads/{upload.id}".encode()), *_expiry(upload)])

    async def upload_form(self, call: Call) -> FinishedUpload:
        """The whole file in one request."""
        try:
            form = multipart.UploadForm(call.request.headers["content-type"])
            async with aclosing(call.body) as pieces:
                async for piece in pieces:
                    form.feed(piece)
            content = form.finish()
        except multipart.BadFormError as error:
            raise errors.bad_request(f"body is no form for an upload: {error}") from None
        except multipart.TooLargeFileError:
            raise errors.too_large(multipart.MAX_FILE_BYTES) from None
        title, tags = read_description(form.fields)
        medium = await self._intake.add_whole(call.caller.name, title, tags, content)
        assert medium.sha256 is not None
        return FinishedUpload(medium.id, medium.size_bytes, medium.sha256)

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
        _require_version(call.headers.tus_resumable)
        upload = await self._find(call)
        length = (b"upload-length", b"%d" % upload.size_bytes)
        return prepared(200, [_RESUMABLE, _offset(upload), length, *_expiry(upload)])

    async def append(self, call: Call) -> Response:
        """What has come is kept part by part, also if the rest does not; of a part with a checksum all or nothing."""
        wanted: PartHeaders = call.headers
        _require_version(wanted.tus_resumable)
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
        return prepared(204, [_RESUMABLE, _offset(upload), *_expiry(upload), *place])

    async def end(self, call: Call) -> Response:
        """What was received is forgotten. A complete one is deleted as a medium."""
        _require_version(call.headers.tus_resumable)
        upload = await self._find(call)
        if upload.complete:
            raise errors.conflict("the upload is complete: delete the medium")
        await self._intake.end(upload)
        return prepared(204, [_RESUMABLE])

    async def _append_as_it_comes(self, upload: Medium, call: Call) -> Medium:
        waiting: list[bytes] = []
        waiting_bytes = 0
        try:
            async with aclosing(call.body) as pieces:
                async for piece in pieces:
                    waiting.append(piece)
                    waiting_bytes += len(piece)
                    if upload.received_bytes + waiting_bytes > upload.size_bytes:
                        raise errors.too_large(upload.size_bytes - upload.received_bytes)
                    if waiting_bytes >= MAX_PART_BYTES:
                        upload = await self._append(upload, b"".join(waiting))
                        waiting, waiting_bytes = [], 0
        except ClientDisconnect:
            if waiting:
                await self._append(upload, b"".join(waiting))
            raise
        return await self._append(upload, b"".join(waiting)) if waiting else upload

    async def _append(self, upload: Medium, content: bytes) -> Medium:
        if not content:
            return upload
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

    def _totals(self) -> MediaTotals:
        library, intake = self._library, self._intake
        return MediaTotals(
            library.media.kept,
            library.media.incomplete,
            library.parts.kept_bytes,
            intake.uploads,
            intake.uploaded_bytes,
        )


async def _whole(call: Call, limit_bytes: int) -> bytes:
    content = bytearray()
    async with aclosing(call.body) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) > limit_bytes:
                raise errors.too_large(limit_bytes)
    return bytes(content)


def _require_version(version: str) -> None:
    if version != tus.VERSION:
        raise errors.version_unsupported(tus.VERSION)


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
