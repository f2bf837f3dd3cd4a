"""The client of an audit: all it sends goes to one pinned address, within the limits, and no redirect is followed."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError, SSLError

from master.audit.address import Address
from master.audit.answer import Answer
from master.audit.budget import Budget, Limits
from master.audit.timed_connection import timed
from master.errors import InputError
from worker import __version__

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Of an answer; the rest is not read."""
_TIMEOUT_S = 10.0
_MAX_RETRY_AFTER_S = 10.0
_READ_BYTES = 64 * 1024
_TOO_MANY_REQUESTS = 429


class UnreachableError(Exception):
    """The target did not answer; says why."""


class UntrustedError(UnreachableError):
    """The target's certificate can't be verified."""


class Client:
    """Sends requests one after another."""

    def __init__(
        self,
        address: Address,
        limits: Limits,
        *,
        ca_file: Path | None = None,
        verify: bool = True,
        timer: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`ca_file` has the certificates to trust in place of the system's. Raises InputError where it can't be read."""
        self.address = address
        self.budget = Budget(limits, timer())
        self.ca_file = ca_file
        self._timer, self._sleep = timer, sleep
        self._deadline_s = 0.0  # of the request that is on
        if not verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the operator has asked for it
        self._pool = self._open(address, verify=verify)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        obey_429: bool = True,
    ) -> Answer:
        """The answer to one request. `path` is encoded and may have a query.

        An answer 429 is waited out once, if it asks for less than 10 s and `obey_429`. Raises BudgetError and UnreachableError.
        """
        answer = self._ask(method, path, body, headers)
        if answer.status == _TOO_MANY_REQUESTS and obey_429:
            wait = answer.header("retry-after")
            if wait.isdecimal() and int(wait) <= _MAX_RETRY_AFTER_S:
                self._wait(float(wait))
                answer = self._ask(method, path, body, headers)
        return answer

    def connect_within_s(self) -> float:
        """Count a connection that a check makes for itself; the seconds it may take. Raises BudgetError."""
        self._wait(self.budget.take(self._timer()))
        return min(_TIMEOUT_S, self.budget.left_s(self._timer()))

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> Answer:
        timeout_s = self.connect_within_s()
        self._deadline_s = self._timer() + timeout_s
        shown = f"{method} {path}"
        sent = {
            "Host": self.address.origin.partition("://")[2],
            "User-Agent": f"piswarm-audit/{__version__}",
            "Accept-Encoding": "identity",
            **(headers or {}),
        }
        try:
            response = self._pool.urlopen(
                method,
                self.address.base_path + path,
                body,
                sent,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(total=timeout_s),
                preload_content=False,
                decode_content=False,
            )
            try:
                content = self._read(response)
            finally:
                response.release_conn()
        except SSLError as error:
            raise UntrustedError(f"{shown}: {error}") from None
        except (HTTPError, OSError) as error:
            raise UnreachableError(f"{shown}: {error}") from None
        found = {name.lower(): "\n".join(response.headers.getlist(name)) for name in response.headers}
        return Answer(shown, response.status, found, content)

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """The body, as much of it as there is within the limits of length and time."""
        pieces, left_bytes = [], MAX_BODY_BYTES
        try:
            while left_bytes > 0 and (piece := response.read1(min(_READ_BYTES, left_bytes))):
                pieces.append(piece)
                left_bytes -= len(piece)
        except ReadTimeoutError:
            left_bytes = 0
        if left_bytes <= 0:
            response.close()
        return b"".join(pieces)

    def _wait(self, wait_s: float) -> None:
        if wait_s > 0:
            self.budget.require_time(self._timer() + wait_s)
            self._sleep(wait_s)

    def _open(self, address: Address, *, verify: bool) -> urllib3.HTTPConnectionPool:
        pool = self._open_pool(address, verify=verify)
        pool.ConnectionCls = timed(lambda: self._deadline_s - self._timer(), tls=address.is_encrypted)
        return pool

    def _open_pool(self, address: Address, *, verify: bool) -> urllib3.HTTPConnectionPool:
        if not address.is_encrypted:
            return urllib3.HTTPConnectionPool(address.ip, address.port, maxsize=1)
        context = ssl.create_default_context()
        if self.ca_file is not None:
            context = ssl_context(self.ca_file)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # The connection goes to the pinned address; the certificate is that of the name.
        return urllib3.HTTPSConnectionPool(
            address.ip,
            address.port,
            maxsize=1,
            ssl_context=context,
            cert_reqs="CERT_REQUIRED" if verify else "CERT_NONE",
            server_hostname=address.host,
            assert_hostname=address.host if verify else False,
        )


def ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    """What verifies certificates, by `ca_file` or the system's. Raises InputError."""
    if ca_file is not None and ca_file.exists() and not ca_file.is_file():
        raise InputError("is not a file", file=ca_file, hint="--ca-file names certificates (PEM).")
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"no certificates can be read: {error}", file=ca_file) from None
