"""The handler of uploads by a form, and the figures of all uploads."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, ClassVar

from master.target.api import errors
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint, Streamed
from master.target.api.metrics import Counter, Gauge
from master.target.streamgate.media.library import Library
from master.target.streamgate.media.messages import MediaTotals
from master.target.streamgate.uploads import multipart
from master.target.streamgate.uploads.description import read_description
from master.target.streamgate.uploads.intake import Intake
from master.target.streamgate.uploads.messages import FinishedUpload

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


class FormApi(Domain):
    """Small files in one request. It is started before all else that uses the library."""

    summary_types: ClassVar[dict[str, Any]] = {"media": MediaTotals}

    def __init__(self, library: Library, intake: Intake) -> None:
        self._library = library
        self._intake = intake

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return [
            Endpoint(
                "POST",
                "/uploads/multipart",
                self.upload_form,
                "Upload a file by a form",
                roles=(Role.USER, Role.ADMIN),
                body=Streamed(multipart.MAX_FORM_BYTES, multipart.MEDIA_TYPE, _FORM),
                reply=FinishedUpload,
                status=201,
                limited=True,
            )
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

    async def upload_form(self, call: Call) -> FinishedUpload:
        """The whole file in one request."""
        try:
            form = multipart.UploadForm(call.request.headers["content-type"])
            async with aclosing(call.body.pieces()) as pieces:
                async for piece in pieces:
                    form.feed(piece)
            content = form.finish()
        except multipart.BadFormError as error:
            raise errors.bad_request(f"body is no form for an upload: {error}") from None
        except multipart.TooLargeFileError:
            raise errors.too_large(multipart.MAX_FILE_BYTES) from None
        title, tags = read_description(form.fields)
        medium = await self._intake.add_whole(call.caller.name, title, tags, content, form.sha256)
        assert medium.sha256 is not None
        return FinishedUpload(medium.id, medium.size_bytes, medium.sha256)

    def _totals(self) -> MediaTotals:
        library, intake = self._library, self._intake
        return MediaTotals(
            library.media.kept,
            library.media.incomplete,
            library.parts.kept_bytes,
            intake.uploads,
            intake.uploaded_bytes,
        )
