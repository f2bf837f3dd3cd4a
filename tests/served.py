"""A real `piswarm serve`, and requests to it as a browser, a script or a stranger sends them."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from http_reply import Reply

PISWARM = [sys.executable, "-m", "master.cli"]


class Served:
    """`piswarm serve` on a free port, for the length of a `with` block."""

    def __init__(self, folder: Path, *options: str, tls: bool = False) -> None:
        self.tls = tls
        self._process = subprocess.Popen(
            [*PISWARM, "serve", "--port", "0", "--runs", str(folder / "runs"), *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ,
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline()
        assert "on http" in self.said, self.said + self._process.stdout.read()
        self.url = self.said.split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send one request on a connection of its own; underscores in names of headers are hyphens. `Host` may be any."""
        if self.tls:
            unverified = ssl._create_unverified_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=60, context=unverified
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.putrequest(method, path, skip_host="Host" in named)
        for name, value in named.items():
            connection.putheader(name, value)
        if data is not None:
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        response = connection.getresponse()
        found = Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        connection.close()
        return found

    def own(self, **headers: str) -> dict[str, str]:
        """The headers that the page itself sends with a change."""
        session = self.ask("GET", "/api/session", **headers).json
        return {"Origin": self.url, "X_CSRF_Token": session["csrf"], "Host": self.url.rpartition("/")[2], **headers}
