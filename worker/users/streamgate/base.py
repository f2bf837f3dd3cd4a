"""What all StreamGate users share: an account, and requests whose answers are checked with their header fields."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from worker.users.lucid.base import SignedInUser
from worker.users.streamgate.answer import Answer, Check, WrongReplyError

T = TypeVar("T")


class StreamGateClient(SignedInUser):
    """A signed-in user of StreamGate. One task is one request, or two where the first is meant to break off."""

    abstract = True
    wait_s: ClassVar[tuple[float, float]] = (0.05, 0.15)

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._careless_client: Any = None

    def ask(  # noqa: PLR0917  # names cost, and there is one for each request
        self,
        method: str,
        path: str,
        name: str,
        check: Check[T],
        headers: Mapping[str, str] | None = None,
        body: bytes | Mapping[str, str] | None = None,
        file: bytes | None = None,
    ) -> T | None:
        """One request, counted under `name`: what `check` returns of its answer, or None after a failure, which is counted too.

        With `file` the body is a form, of the fields in `body` and the file. A status of 400 or more that `check` takes is a
        success.
        """
        with self.client.request(
            method,
            path,
            name=name,
            data=body,
            files=None if file is None else {"file": ("file.bin", file, "application/octet-stream")},
            headers=self._headers if headers is None else {**self._headers, **headers},
            catch_response=True,
        ) as response:
            content = response.content
            if content is None:
                return None  # the failure, which the response knows, is counted
            status = response.status_code
            try:
                found = check(Answer(status, response.exchanged[1].data, content))
            except WrongReplyError as error:
                response.failure(str(error))
                if status == 401:
                    self._headers = {}
                return None
            if status >= 400:
                response.success()
            return found

    def sign_out(self) -> None:
        """POST /auth/logout, after which GET /auth/me refuses the token; this user signs in anew in its next task."""
        if self.call("POST", "/auth/logout", bytes, expected=(204,)) is not None:
            self.call("GET", "/auth/me", bytes, expected=(401,))
            self._headers = {}

    def break_off(  # noqa: PLR0917  # as those of `ask`
        self, method: str, path: str, name: str, headers: Mapping[str, str], body: bytes, sent_bytes: int
    ) -> None:
        """Begin a request, and close its connection after `sent_bytes` of its body.

        It is not counted, unless there is no connection, or an answer before so much is sent: no answer is waited for. The next
        request of `ask` still counts from when the task was due.
        """
        if self._careless_client is None:
            assert self.host is not None
            self._careless_client = self.new_client(self.host)
        with suppress(_BrokenOffError):
            self._careless_client.request(
                method, path, name=name, data=_BrokenOff(body, sent_bytes), headers={**self._headers, **headers}
            )


class _BrokenOffError(Exception):
    """The body was not sent to its end, on purpose."""


class _BrokenOff(io.BytesIO):
    """A body that announces its whole length, and has less."""

    def __init__(self, body: bytes, sent_bytes: int) -> None:
        super().__init__(body)
        self._left_bytes = sent_bytes

    def read(self, size: int | None = -1) -> bytes:
        if not self._left_bytes:
            raise _BrokenOffError
        size = self._left_bytes if size is None or size < 0 else min(size, self._left_bytes)
        self._left_bytes -= size
        return super().read(size)
