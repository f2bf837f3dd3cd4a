"""Connections that keep the target waiting, send a head without end, or speak no HTTP: each is told so, in the one body of errors, and let go."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from master.target.process.protocol import MAX_HEAD_BYTES, MAX_PIPELINED, REQUEST_WITHIN_S, Connection

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body's length, once it is there."""
    try:
        body = await Request(scope, receive).body()
    except ClientDisconnect:
        return
    await Response(str(len(body)))(scope, receive, send)


Talk = Callable[[uvicorn.Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


def answer(talk: Talk) -> tuple[int, str]:
    """The status and the error's code of what a connection is told, which is then closed."""

    async def serve() -> bytes:
        config = uvicorn.Config(echo, port=0, http=Connection, lifespan="off", log_config=None, log_level="critical")
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await asyncio.wait_for(talk(server, reader, writer), 10)
        finally:
            writer.close()
            await server.shutdown()

    head, _, body = asyncio.run(serve()).partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-type: application/json" in head
    error = json.loads(body)["error"]
    assert error["message"]
    return int(head.split()[1]), error["code"]


@pytest.mark.parametrize("sent", [b"G", b"GET / HT", HEAD, HEAD + b"Content-Length: 9\r\n\r\n{"])
def test_a_request_that_does_not_come_to_its_end_is_not_waited_for(sent: bytes) -> None:
    """Whether a part of its head is there or one of its body."""

    async def talk(server: uvicorn.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        connection = await begin(server, reader, writer, sent)
        connection.end_if_late(time.monotonic() + REQUEST_WITHIN_S - 1)
        assert not connection.transport.is_closing()
        connection.end_if_late(time.monotonic() + REQUEST_WITHIN_S + 1)
        return await reader.read()

    assert answer(talk) == (408, "too_slow")


def test_a_connection_between_requests_is_not_late() -> None:
    async def talk(server: uvicorn.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        connection = await begin(server, reader, writer, b"")
        connection.end_if_late(time.monotonic() + 2 * REQUEST_WITHIN_S)
        writer.write(b"\0")
        return await reader.read()

    assert answer(talk) == (400, "bad_request")


def test_a_connection_that_never_sends_anything_is_not_kept() -> None:
    async def talk(server: uvicorn.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        port = writer.get_extra_info("peername")[1]
        further = await asyncio.open_connection("127.0.0.1", port)
        await begin(server, *further, b"")  # connections are taken in their order
        for connection in list(server.server_state.connections):
            assert isinstance(connection, Connection)
            connection.end_if_late(time.monotonic() + REQUEST_WITHIN_S + 1)
        further[1].close()
        return await reader.read()

    assert answer(talk) == (408, "too_slow")


def test_a_head_without_end_is_not_kept() -> None:
    async def talk(server: uvicorn.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        await begin(server, reader, writer, HEAD + b"X: ")
        writer.write(b"y" * (MAX_HEAD_BYTES + 1))
        return await reader.read()

    assert answer(talk) == (431, "head_too_large")


def test_no_more_requests_wait_for_one_another_than_a_client_has_use_for() -> None:
    """Each is kept and answered in its turn, which thousands on many connections make last for seconds."""
    whole = HEAD + b"Content-Length: 2\r\n\r\n{}"

    async def talk(server: uvicorn.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        await begin(server, reader, writer, b"")
        writer.write(whole * (MAX_PIPELINED + 1))
        for _ in range(MAX_PIPELINED + 1):
            assert await reader.readuntil(b"\r\n\r\n2")
        writer.write(whole * 1000)
        return await reader.read()

    assert answer(talk) == (400, "bad_request")


async def begin(
    server: uvicorn.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes
) -> Connection:
    """The server's side of a connection on which a request was answered, and `sent` has arrived with it."""
    writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}" + sent)
    assert await reader.readuntil(b"\r\n\r\n2")
    client = writer.get_extra_info("sockname")
    (found,) = [each for each in server.server_state.connections if each.client == client]
    assert isinstance(found, Connection)
    return found
