"""One client of the target, for requests that are timed one by one."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from children import BenchError

TIMEOUT_S = 60.0


class Timed(NamedTuple):
    """An answer and how long it took, in seconds, with the connection kept."""

    content: Any
    elapsed_s: float


class Client:
    """A connection to the target, signed in as one account."""

    def __init__(self, url: str, account: str, password: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
        self._headers: dict[str, str] = {}
        token = self.ask("POST", "/auth/login", {"username": account, "password": password}).content["token"]
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> Timed:
        """One request. Raises BenchError for another answer than success."""
        headers = dict(self._headers)
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        elif body is not None:
            headers["Content-Type"] = "application/octet-stream"
        began_s = time.perf_counter()
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except OSError as error:
            raise BenchError(f"{method} {path}: {error}") from None
        elapsed_s = time.perf_counter() - began_s
        if not 200 <= response.status < 300:
            raise BenchError(f"{method} {path}: {response.status} {content[:200].decode(errors='replace')}")
        return Timed(json.loads(content) if content else None, elapsed_s)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
