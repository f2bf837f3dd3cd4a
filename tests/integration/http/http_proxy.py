"""A proxy that requests go through, and a visitor that uses it."""

from __future__ import annotations

import contextlib
from typing import Any

import gevent
from gevent import socket
from gevent.server import StreamServer
from http_server import Server, Visitor


class Proxy:
    """A proxy; `asked` holds the request lines, `refusal` is its response to CONNECT."""

    def __init__(self, refusal: bytes | None = None) -> None:
        self.asked: list[str] = []
        self.connections = 0
        self._refusal = refusal
        self._streams = StreamServer(("127.0.0.1", 0), self._serve)
        self._streams.start()
        self.port = self._streams.server_port

    def stop(self) -> None:
        self._streams.stop(timeout=0)

    def _serve(self, client: socket.socket, _address: Any) -> None:
        self.connections += 1
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(65536)
        line = head.split(b"\r\n", 1)[0].decode()
        self.asked.append(line)
        method, target, _ = line.split(" ")
        if method == "CONNECT":
            if self._refusal is not None:
                client.sendall(self._refusal)
                client.close()
                return
            host, _, port = target.rpartition(":")
            client.sendall(b"HTTP/1.1 200 Established\r\nVia: test\r\n\r\n")
            head = b""
        else:
            host, _, port = target.removeprefix("http://").partition("/")[0].rpartition(":")
        server = socket.create_connection((host, int(port)))
        server.sendall(head)
        pumps = [gevent.spawn(_pump, client, server), gevent.spawn(_pump, server, client)]
        gevent.joinall(pumps)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def through(proxy_port: int, server: Server, **attributes: Any) -> Visitor:
    return server.visitor(proxy_host="127.0.0.1", proxy_port=proxy_port, **attributes)
