"""What is sent and answered about uploads. Further headers, and those that tus does not define, are passed over."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from master.target.streamgate.uploads.tus import VERSION

MAX_UPLOAD_BYTES = 64 * 1024 * 1024
"""Tus-Max-Size: half of what is kept of uploads in all."""

Length = Annotated[int, Meta(ge=0, extra_json_schema={"maximum": MAX_UPLOAD_BYTES})]
"""More than MAX_UPLOAD_BYTES is answered with 413."""
TusVersion = Annotated[str, Meta(extra_json_schema={"const": VERSION})]
"""Another one is answered with 412."""
_NAMES = {
    "tus_resumable": "tus-resumable",
    "upload_length": "upload-length",
    "upload_metadata": "upload-metadata",
    "upload_offset": "upload-offset",
    "upload_checksum": "upload-checksum",
}


class TusHeaders(Struct, rename=_NAMES):
    """Headers of every request of tus."""

    tus_resumable: TusVersion


class CreationHeaders(Struct, rename=_NAMES):
    """Headers of POST /uploads. Metadata that are understood: title, filename, and tags separated by commas."""

    tus_resumable: TusVersion
    upload_length: Length
    upload_metadata: Annotated[str, Meta(max_length=4096)] = ""


class PartHeaders(Struct, rename=_NAMES):
    """Headers of PATCH /uploads/[id]."""

    tus_resumable: TusVersion
    upload_offset: Length
    upload_checksum: Annotated[str, Meta(max_length=256)] | UnsetType = UNSET


class FinishedUpload(Struct):
    """Answer of POST /uploads/multipart: the medium that it made, its length, and its SHA-256 in hexadecimal."""

    media: str
    size_bytes: int
    sha256: str


class UploadInfo(Struct):
    """An upload: how far it is, and the medium that it made once it is complete. `expires_at` is in Unix seconds."""

    id: str
    complete: bool
    offset_bytes: int
    length_bytes: int
    media: str | None
    sha256: str | None
    expires_at: float | None
