"""A target that keeps each request that comes, on a thread of this process: what users really sent, whichever tool runs them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

MAX_BODY = 1 << 20
"""Bytes of a request's body."""
_STATUS = re.compile(r"/status/(\d{3})$")
Answers = Callable[["Request"], tuple[int, dict[str, str], bytes]]


@dataclass(frozen=True)
class Request:
    """A request that came, in its order."""

    method: str
    path: str
    """Without the query."""
    query: str
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes
    port: int

    @property
    def json(self) -> Any:
        """Return the body as data, None where it is no JSON."""
        with contextlib.suppress(ValueError):
            return json.loads(self.body)
        return None


def answer_with_json(request: Request) -> tuple[int, dict[str, str], bytes]:
    """Answer 200 and what was asked for, as JSON; N to /status/N."""
    found = _STATUS.search(request.path)
    asked = {"path": request.path, "args": {key: value[0] for key, value in parse_qs(request.query).items()}}
    body = json.dumps(asked | {"data": request.json}).encode()
    return int(found[1]) if found else 200, {"Content-Type": "application/json"}, body


class RecordingTarget:
    """Servers on free ports of loopback, for the length of a `with` block."""

    def __init__(self, answer: Answers = answer_with_json, ports: int = 1) -> None:
        self.requests: list[Request] = []
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._servers = [
            self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0)) for _ in range(ports)
        ]
        self.ports = [server.sockets[0].getsockname()[1] for server in self._servers]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """Return the first server's URL."""
        return self.urls[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (request := await self._read(reader, writer.get_extra_info("sockname")[1])) is not None:
                self.requests.append(request)
                status, headers, body = self._answer(request)
                lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if request.method == "HEAD" else body))
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client has gone, or speaks no HTTP
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, port: int) -> Request | None:
        """Read the next request; None at the end of the connection."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", "0"))
        if size > MAX_BODY:
            return None
        body = await reader.readexactly(size)
        place = urlsplit(target)
        return Request(method, place.path, place.query, headers, body, port)
