"""The HTTP server: uvicorn, around an application that is made when the loop runs."""

from __future__ import annotations

import gc
import json
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import uvicorn
from starlette.types import Receive, Scope, Send

from master.target.app import Gateway
from master.target.process.protocol import Connection

# Longer than any user of the load profile pauses (30 s): a server that hangs up on an idle connection just when a request
# is on its way makes the request fail, and the generator count an error that is none.
KEEP_ALIVE_S = 120

_TICKS_PER_LOOK = 50  # uvicorn's ticks are 0.1 s: late connections are looked for every 5 s

CreateGateway = Callable[[AsyncExitStack], Awaitable[Gateway]]
"""Makes the application, and leaves what is to be given back on the stack."""


class Server(uvicorn.Server):
    """Starts the application, says on stdout when it accepts connections, and stops the application at the end."""

    def __init__(self, create: CreateGateway) -> None:
        super().__init__(
            uvicorn.Config(
                self._answer,
                loop="uvloop",
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("x-content-type-options", "nosniff")],
                backlog=4096,  # a fleet connects all at once
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=5,
            )
        )
        self._create = create
        self._stack = AsyncExitStack()
        self.failure: Exception | None = None
        """What kept the application from starting."""

    def stop(self) -> None:
        """End in good order."""
        self.should_exit = True

    def count_requests(self) -> int:
        """How many requests there were: uvicorn's own count."""
        return self.server_state.total_requests

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and accept, then print the one line that a parent waits for."""
        try:
            gateway = await self._create(self._stack)
            await gateway.start()
            self._stack.push_async_callback(gateway.stop)
        except Exception as error:  # noqa: BLE001  # the process says it, whatever it is
            self.failure = error
            self.should_exit = True
            await self._stack.aclose()
            return
        self.config.loaded_app = gateway
        # Modules and tables stay to the end: to go through them in each full collection holds the loop for 10 ms.
        gc.collect()
        gc.freeze()
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            print(json.dumps({"ready": True, "url": url}), flush=True)  # noqa: T201  # the contract with the parent

    async def on_tick(self, counter: int) -> bool:
        """As uvicorn; and end the connections that keep the server waiting."""
        if counter % _TICKS_PER_LOOK == 0:
            now_s = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.end_if_late(now_s)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is being answered, then stop the application."""
        await super().shutdown(sockets)
        await self._stack.aclose()

    async def _answer(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise NotImplementedError("replaced at startup")
