"""A Socket.IO server of loopback, which answers `ask` and sends a word back for each `tell`. Prints its port."""

from __future__ import annotations

from typing import Any

from gevent import monkey

monkey.patch_all()

import socketio  # noqa: E402  # after the patch
from gevent.pywsgi import WSGIServer  # noqa: E402

server = socketio.Server(async_mode="threading")


@server.on("ask")
def ask(_: str, data: Any) -> Any:
    return {"asked": data}


@server.on("tell")
def tell(sid: str, data: Any) -> None:
    server.emit("told", data, to=sid)


def main() -> None:
    """Serve until it is ended."""
    wsgi = WSGIServer(("127.0.0.1", 0), socketio.WSGIApp(server), log=None)
    wsgi.start()
    print(wsgi.server_port, flush=True)  # noqa: T201
    wsgi.serve_forever()


if __name__ == "__main__":
    main()
