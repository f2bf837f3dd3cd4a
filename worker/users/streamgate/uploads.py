"""Uploading: files in one piece by multipart, or in chunks by tus, some of which break off and are resumed."""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from typing import NamedTuple

from worker.users.streamgate import replies, tus
from worker.users.streamgate.answer import Answer, WrongReplyError, identifier
from worker.users.streamgate.base import StreamGateClient
from worker.users.streamgate.sample_files import make_file, make_title

MULTIPART = "/uploads/multipart"
CHUNK_BYTES = 16 * 1024
_UPLOAD = "/uploads/[id]"
_CONTENT = "/media/[id]/content"
_MOST_STORED = 2
"""With more stored media than this a user uploads nothing before it has looked after them."""


class _Stored(NamedTuple):
    """A medium that was uploaded."""

    medium: str
    content: bytes
    was_read: bool = False


class Uploads:
    """Uploads a file, reads it back and compares, removes it, and starts over."""

    def __init__(self, user: StreamGateClient) -> None:
        self._user = user
        self._upload: tus.TusUpload | None = None
        self._stored: deque[_Stored] = deque()

    def step(self) -> None:
        """The next request of the upload under way, or a look after what is stored."""
        drawn = self._user.random.random()
        if self._stored and (len(self._stored) > _MOST_STORED or drawn < 0.3):
            self._look_after(self._stored.popleft())
        elif self._upload is not None:
            self._go_on(self._upload)
        elif drawn < 0.6:
            self._send_whole()
        else:
            self._begin()

    def _send_whole(self) -> None:
        content = make_file(self._user.random, 1024, CHUNK_BYTES)
        digest = sha256(content).hexdigest()

        def check(answer: Answer) -> str:
            stored = answer.decoded(replies.StoredMediumReply, 201)
            if (stored.size_bytes, stored.sha256) != (len(content), digest):
                raise WrongReplyError("what was stored is not what was sent")
            return identifier(stored.media)

        fields = {"title": make_title(self._user.random)}
        medium = self._user.ask("POST", MULTIPART, MULTIPART, check, body=fields, file=content)
        if medium is not None:
            self._stored.append(_Stored(medium, content))

    def _begin(self) -> None:
        title = make_title(self._user.random)
        content = make_file(self._user.random, CHUNK_BYTES, 5 * CHUNK_BYTES)
        upload = tus.TusUpload(content, {"filename": "file.bin", "title": title})

        def check(answer: Answer) -> tus.TusUpload:
            upload.accept_creation(answer)
            return upload

        self._upload = self._user.ask("POST", tus.COLLECTION, tus.COLLECTION, check, upload.creation_headers())

    def _go_on(self, upload: tus.TusUpload) -> None:
        if not upload.offset_is_known:
            self._ask_offset(upload)
        elif upload.is_complete:
            self._finish(upload)
        else:
            drawn = self._user.random.random()
            if drawn < 0.05 and upload.is_certain:
                self._break_off(upload)
            elif drawn < 0.08:
                self._give_up(upload)
            else:
                self._send_chunk(upload)

    def _send_chunk(self, upload: tus.TusUpload) -> None:
        headers, body = upload.next_chunk(CHUNK_BYTES)

        def check(answer: Answer) -> tus.TusUpload:
            upload.accept_chunk(answer, len(body))
            return upload

        self._upload = self._user.ask("PATCH", upload.path, _UPLOAD, check, headers, body)

    def _break_off(self, upload: tus.TusUpload) -> None:
        """Lose the connection in the middle of a chunk, and ask how far the upload came: the next chunk goes on from there."""
        headers, body = upload.next_chunk(CHUNK_BYTES, checksum=False)
        sent_bytes = self._user.random.randrange(len(body))
        if sent_bytes:
            self._user.break_off("PATCH", upload.path, _UPLOAD, headers, body, sent_bytes)
            upload.lose(sent_bytes)
        self._ask_offset(upload)

    def _ask_offset(self, upload: tus.TusUpload) -> None:
        def check(answer: Answer) -> tus.TusUpload:
            upload.accept_offset(answer)
            return upload

        self._upload = self._user.ask("HEAD", upload.path, _UPLOAD, check, tus.HEADERS)

    def _give_up(self, upload: tus.TusUpload) -> None:
        self._upload = None
        self._user.ask("DELETE", upload.path, _UPLOAD, _is_gone, tus.HEADERS)

    def _finish(self, upload: tus.TusUpload) -> None:
        def check(answer: Answer) -> str:
            found = answer.decoded(replies.UploadReply, 200)
            if not found.complete or found.media is None:
                raise WrongReplyError("a complete upload is no medium")
            return identifier(found.media)

        self._upload = None
        medium = self._user.ask("GET", upload.path, _UPLOAD, check)
        if medium is not None:
            self._stored.append(_Stored(medium, upload.content))

    def _look_after(self, stored: _Stored) -> None:
        path = f"/media/{stored.medium}"
        if stored.was_read:
            self._user.ask("DELETE", path, "/media/[id]", _is_gone)
            return

        def check(answer: Answer) -> _Stored:
            answer.require_status(200)
            if answer.content != stored.content:
                raise WrongReplyError("content is not what was uploaded")
            return stored._replace(was_read=True)

        read = self._user.ask("GET", f"{path}/content", _CONTENT, check)
        if read is not None:
            self._stored.append(read)


def _is_gone(answer: Answer) -> None:
    answer.require_status(204)
