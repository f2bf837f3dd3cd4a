"""The embedded target with one weakness planted: `python weak_target.py WEAKNESS [CERTIFICATE]`.

All is the real application, but for the one place where it is weak. Without arguments there is a target for each weakness below
the path of its name, with a database of its own, so that many are audited without starting many processes.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import sys
import tempfile
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

from starlette.types import Message, Receive, Scope, Send
from weaknesses import WEAKNESSES, Exchange, Weakness

from master.target.app import Gateway
from master.target.auth.accounts import Account
from master.target.auth.authority import Authority, AuthSettings
from master.target.auth.lockout import LockoutRules
from master.target.auth.messages import Token
from master.target.auth.storage import AuthStorage
from master.target.auth.tokens import AccessClaims
from master.target.composition import create_gateway
from master.target.database.opening import open_database
from master.target.database.sqlite import Durability
from master.target.process.lifetime import end_after_stdin, end_on_signals
from master.target.process.password import read_password
from master.target.process.server import Server


class ForetellingAuthority(Authority):
    """The identifiers of its tokens can be foretold."""

    weakness = ""
    _issued = 0

    def _identifier(self) -> str:
        self._issued += 1
        if self.weakness == "randomness":
            return str(1000 + self._issued)
        return "constant" if self.weakness == "repeated" else secrets.token_hex(3)

    def issue(self, account: Account, family: str, refresh_id: str) -> Token:
        token = super().issue(account, family, refresh_id)
        claims = self._signer.read(token.token, AccessClaims)
        foretold = AccessClaims(claims.sub, claims.role, claims.iat, claims.exp, self._identifier(), claims.fam)
        token.token = self._signer.sign(foretold)
        return token


class WeakGateway:
    """The real application, with the weakness before and behind it."""

    def __init__(self, gateway: Gateway, weakness: Weakness) -> None:
        self._gateway = gateway
        self._weakness = weakness

    async def start(self) -> None:
        await self._gateway.start()

    async def stop(self) -> None:
        await self._gateway.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        exchange = Exchange(scope, b"".join(message.get("body", b"") for message in messages))
        if not self._weakness.before(exchange):
            await self._ask(exchange, receive)
            self._weakness.after(exchange)
        headers = [header for header in exchange.answer_headers if header[0] != b"content-length"]
        if exchange.status not in {204, 304} and scope["method"] != "HEAD":
            headers.append((b"content-length", b"%d" % len(exchange.answer)))
        await send({"type": "http.response.start", "status": exchange.status, "headers": headers})
        await send({"type": "http.response.body", "body": exchange.answer})

    async def _ask(self, exchange: Exchange, receive: Receive) -> None:
        messages: list[Message] = [{"type": "http.request", "body": exchange.body, "more_body": False}]
        length = (b"content-length", b"%d" % len(exchange.body))
        headers = exchange.scope["headers"]
        exchange.scope["headers"] = [length if header[0] == b"content-length" else header for header in headers]

        async def again() -> Message:
            return messages.pop() if messages else await receive()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status, exchange.answer_headers = message["status"], list(message.get("headers", ()))
            else:
                exchange.answer += message.get("body", b"")

        await self._gateway(exchange.scope, again, collect)


class WeakTargets:
    """A target for each weakness, made when it is first asked, below the path of the weakness's name."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._gateways: dict[str, WeakGateway] = {}
        self._creating = asyncio.Lock()

    async def start(self) -> None:
        """None is there yet."""

    async def stop(self) -> None:
        """Each is stopped by the stack, before its database is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, _, path = scope["path"].removeprefix("/").partition("/")
        async with self._creating:
            if name not in self._gateways:
                self._gateways[name] = await create_weak(name, self._stack)
                await self._gateways[name].start()
                self._stack.push_async_callback(self._gateways[name].stop)
        await self._gateways[name]({**scope, "path": f"/{path}", "raw_path": f"/{path}".encode()}, receive, send)


async def create_weak(weakness: str, stack: AsyncExitStack) -> WeakGateway:
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="piswarm-weak-"))
    database = await open_database(f"{directory}/target.db", Durability.PROCESS)
    stack.push_async_callback(database.close)
    settings = AuthSettings(
        lockout=LockoutRules(failures=0 if weakness == "rate-limiting" else 10),
        address_lockout=LockoutRules(failures=0 if weakness == "password-spraying" else 50),
    )
    if weakness == "hashing":
        storage = AuthStorage(database)
        await storage.create()
        await storage.put_secret("signing key", b"your-256-bit-secret".hex())
    password = read_password(None, from_orders=False) or ""
    authority = Authority(password, settings)
    if weakness in {"randomness", "repeated", "short"}:
        authority = ForetellingAuthority(password, settings)
        authority.weakness = weakness
    pool = stack.enter_context(ThreadPoolExecutor(max_workers=2))
    gateway = create_gateway(authority, database, pool)
    return WeakGateway(gateway, WEAKNESSES.get(weakness, Weakness)(authority))


def creator(weakness: str) -> Callable[[AsyncExitStack], Awaitable[WeakGateway | WeakTargets]]:
    async def create(stack: AsyncExitStack) -> WeakGateway | WeakTargets:
        return await create_weak(weakness, stack) if weakness else WeakTargets(stack)

    return create


def main(weakness: str = "", certificate: str = "") -> None:
    server = Server(creator(weakness))
    if weakness == "security-headers":
        server.config.headers = []
    if weakness == "tls-short-key":
        server.config.load()
        # Such a key is loaded only where anything goes.
        server.config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.config.ssl.set_ciphers("DEFAULT@SECLEVEL=0")
        server.config.ssl.load_cert_chain(certificate)
        server.config.ssl_certfile = certificate
    elif certificate and weakness != "proof":
        server.config.ssl_certfile = server.config.ssl_keyfile = certificate
        server.config.load()
        assert server.config.ssl is not None
        if weakness == "tls-old":
            with warnings.catch_warnings(action="ignore"):
                server.config.ssl.minimum_version = ssl.TLSVersion.TLSv1
            server.config.ssl.set_ciphers("DEFAULT@SECLEVEL=0")
        if weakness == "tls-anonymous":
            server.config.ssl.set_ciphers("ALL:@SECLEVEL=0")
    end_on_signals(server.stop)
    end_after_stdin(server.stop, server.count_requests, 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.run([listener])
    if server.failure is not None:
        raise server.failure


if __name__ == "__main__":
    main(*sys.argv[1:])
