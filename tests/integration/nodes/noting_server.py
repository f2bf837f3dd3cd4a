"""A server that notes exactly when it answered, to check a run's seconds against."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from types import TracebackType
from typing import Self

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class NotingServer:
    """A server that answers every GET after `delay_s`, in a thread of its own, for the length of a `with` block."""

    def __init__(self, delay_s: float) -> None:
        self.answered_s: defaultdict[str, list[float]] = defaultdict(list)
        """When each answer was sent, by path, on the monotonic clock."""
        self.port = 0
        self._delay_s = delay_s
        self._listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(20)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def total(self) -> int:
        return sum(len(times) for times in self.answered_s.values())

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._done.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                await asyncio.sleep(self._delay_s)
                # Noted before it is sent: no worker can have counted what is not noted here.
                self.answered_s[line.split()[1].decode()].append(time.monotonic())
                writer.write(ANSWER)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass  # a user was ended in mid-request, or the server was
        finally:
            writer.close()
