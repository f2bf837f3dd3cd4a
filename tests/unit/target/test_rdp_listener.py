"""A real RDP listener on loopback, against its own client and against hostile ones, on both event loops."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from master.target.rdp import listener as listeners
from master.target.rdp.certificate import make_tls_context
from master.target.rdp.client import attempt_connection
from master.target.rdp.listener import ConnectionBudget, Listener
from master.target.rdp.protocol.connection import Security
from master.target.rdp.protocol.tpkt import ProtocolError, pack_frame
from master.target.rdp.protocol.x224 import (
    ConnectionConfirm,
    ConnectionRequest,
    Failure,
    Protocols,
    pack_confirm,
    pack_request,
)

HOST = "127.0.0.1"
REQUEST = pack_frame(pack_request(ConnectionRequest(Protocols.RDP)))
CONFIRM = pack_frame(pack_confirm(ConnectionConfirm(selected=Protocols.RDP)))
DATA = pack_frame(b"\x02\xf0\x80payload")

Body = Callable[[Listener, int], Awaitable[None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def serve(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a test's body with a listener and its port."""

    def run(body: Body, listener: Listener | None = None) -> None:
        async def within() -> None:
            running = listener or Listener()
            port = await running.open(HOST, 0)
            try:
                await body(running, port)
            finally:
                await running.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(within(), 30))

    return run


async def until(holds: Callable[[], Any]) -> None:
    """Let the loop turn until something holds."""
    while not holds():  # noqa: ASYNC110  # nothing tells when the other side has noticed
        await asyncio.sleep(0.001)


def test_a_client_connects_and_is_counted(serve: Callable[..., None]) -> None:
    """The connection test tells the selected protocol and the time, and the listener counts what went by."""

    async def body(listener: Listener, port: int) -> None:
        attempt = await attempt_connection(HOST, port)
        assert attempt.confirm == ConnectionConfirm(selected=Protocols.RDP)
        assert attempt.connect_s > 0
        assert attempt.answer_s > 0
        await until(lambda: not listener.traffic.connections_now)
        traffic = listener.traffic
        assert (traffic.connections_total, traffic.confirmed_total, traffic.refused_total) == (1, 1, 0)
        assert traffic.sent_bytes == len(CONFIRM)
        assert traffic.received_bytes == len(REQUEST) + len(b"Cookie: mstshash=piswarm\r\n")

    serve(body)


def test_a_failed_negotiation_is_told_and_ends_the_connection(serve: Callable[..., None]) -> None:
    """A client that wants TLS from a server without it learns why."""

    async def body(listener: Listener, port: int) -> None:
        attempt = await attempt_connection(HOST, port, Protocols.SSL)
        assert attempt.confirm.failure is Failure.SSL_NOT_ALLOWED_BY_SERVER
        await until(lambda: not listener.traffic.connections_now)
        assert listener.traffic.refused_total == 1

    serve(body)


def test_garbage_closes_its_own_connection_alone(serve: Callable[..., None]) -> None:
    """Another client's connection, and the listener, stay."""

    async def body(listener: Listener, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(REQUEST)
        assert await reader.readexactly(len(CONFIRM)) == CONFIRM
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x03\0\xff\xff", b"\x03\0\0\x07\x02\xe0\0", bytes(100_000)):
            bad_reader, bad_writer = await asyncio.open_connection(HOST, port)
            bad_writer.write(garbage)
            with pytest.raises((EOFError, ConnectionError)):
                await bad_reader.readexactly(1)
            bad_writer.close()
        writer.write(DATA)
        await until(lambda: listener.traffic.connections_now == 1)
        assert (await attempt_connection(HOST, port)).confirm.selected == Protocols.RDP
        assert listener.traffic.refused_total == 4
        writer.close()

    serve(body)


def test_a_client_that_sends_nothing_is_cut_off(serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a request and silence end the connection at its time."""
    monkeypatch.setattr(listeners, "REQUEST_WITHIN_S", 0.05)

    async def body(listener: Listener, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(REQUEST[:-1])
        with pytest.raises((EOFError, ConnectionError)):
            await reader.readexactly(1)
        await until(lambda: not listener.connections)
        assert listener.traffic.refused_total == 1
        writer.close()

    serve(body)


def test_an_idle_client_is_cut_off(serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which nothing comes does not stay for ever."""
    monkeypatch.setattr(listeners, "REQUEST_WITHIN_S", 0.05)
    monkeypatch.setattr(listeners, "IDLE_S", 0.05)

    async def body(_listener: Listener, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(REQUEST)
        await reader.readexactly(len(CONFIRM))
        with pytest.raises((EOFError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()

    serve(body)


def test_connections_beyond_the_limit_are_refused(serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are in stay, and one that leaves makes room."""
    monkeypatch.setattr(listeners, "MAX_CONNECTIONS", 2)

    async def body(listener: Listener, port: int) -> None:
        held = [await asyncio.open_connection(HOST, port) for _ in range(2)]
        await until(lambda: listener.traffic.connections_now == 2)
        with pytest.raises((EOFError, ConnectionError)):
            await attempt_connection(HOST, port)
        held[0][1].close()
        await until(lambda: listener.traffic.connections_now == 1)
        assert (await attempt_connection(HOST, port)).confirm.selected == Protocols.RDP
        held[1][1].close()

    serve(body)


def test_all_servers_together_have_a_bounded_number_of_connections(serve: Callable[..., None]) -> None:
    """Whatever one server could still take; what is closed or cut is counted back."""
    budget = ConnectionBudget(2)

    async def body(listener: Listener, port: int) -> None:
        other = Listener(budget=budget)
        other_port = await other.open(HOST, 0)
        _, writer = await asyncio.open_connection(HOST, port)
        _, cut = await asyncio.open_connection(HOST, other_port)
        await until(lambda: not budget.left)
        with pytest.raises((EOFError, ConnectionError)):
            await attempt_connection(HOST, other_port)
        await other.close()
        assert budget.left == 1
        cut.close()
        writer.close()
        await until(lambda: budget.left == 2)
        assert listener.traffic.refused_total == 0

    serve(body, Listener(budget=budget))


def test_closing_cuts_the_connections_and_frees_the_port(serve: Callable[..., None]) -> None:
    """Whoever is connected is hung up on, and another server can have the port."""

    async def body(listener: Listener, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(REQUEST)
        await reader.readexactly(len(CONFIRM))
        await listener.close()
        with pytest.raises((EOFError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()
        assert listener.traffic.connections_now == 0
        other = Listener()
        assert await other.open(HOST, port) == port
        await other.close()

    serve(body)


def test_a_taken_port_is_an_error(serve: Callable[..., None]) -> None:
    """Two servers never share one."""

    async def body(_listener: Listener, port: int) -> None:
        with pytest.raises(OSError, match="in use"):
            await Listener().open(HOST, port)

    serve(body)


def test_tls_follows_where_it_was_selected(serve: Callable[..., None]) -> None:
    """After the confirm comes a TLS handshake, and inside it the frames go on."""

    async def body(listener: Listener, port: int) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(pack_frame(pack_request(ConnectionRequest(Protocols.SSL))))
        confirm = pack_frame(pack_confirm(ConnectionConfirm(selected=Protocols.SSL)))
        assert await reader.readexactly(len(confirm)) == confirm
        await writer.start_tls(context)
        before = listener.traffic.received_bytes
        writer.write(DATA)
        await until(lambda: listener.traffic.received_bytes == before + len(DATA))
        writer.write(b"garbage")
        with pytest.raises((EOFError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()
        await until(lambda: not listener.connections)

    serve(body, Listener(Security.TLS, make_tls_context()))


def test_a_broken_handshake_closes_its_own_connection_alone(serve: Callable[..., None]) -> None:
    """No TLS where it was agreed on is refused, and the next client is served."""

    async def body(listener: Listener, port: int) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(pack_frame(pack_request(ConnectionRequest(Protocols.SSL))))
        await reader.readexactly(len(CONFIRM))
        writer.write(b"no handshake at all")
        while await reader.read(100):
            pass
        await until(lambda: not listener.connections)
        assert listener.traffic.refused_total == 1
        assert (await attempt_connection(HOST, port, Protocols.SSL)).confirm.selected == Protocols.SSL
        writer.close()

    serve(body, Listener(Security.TLS, make_tls_context()))


def test_a_server_that_does_not_speak_rdp_fails_the_test() -> None:
    """Something else on the port is told apart from silence."""

    async def body() -> None:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH\r\n")
            writer.close()

        server = await asyncio.start_server(answer, HOST, 0)
        async with server:
            with pytest.raises(ProtocolError):
                await attempt_connection(HOST, server.sockets[0].getsockname()[1])

    asyncio.run(body())
