"""The embedded target with one weakness planted: `python weak_target.py WEAKNESS [CERTIFICATE]`.

All is the real application, but for the one place where it is weak.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

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

Header = tuple[bytes, bytes]
PROOF_PATH = "/.well-known/piswarm-audit.txt"


class Exchange:
    """A request and its whole answer, to be changed."""

    def __init__(self, scope: Scope, body: bytes) -> None:
        self.scope = scope
        self.body = body
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        self.headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self.status = 200
        self.answer_headers: list[Header] = []
        self.answer = b""

    def use_token(self, token: str) -> None:
        kept = [header for header in self.scope["headers"] if header[0] != b"authorization"]
        self.scope["headers"] = [*kept, (b"authorization", f"Bearer {token}".encode())]

    def set_answer(self, status: int, content_type: str, body: bytes, *headers: Header) -> None:
        self.status, self.answer = status, body
        self.answer_headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-store"), *headers]


class Weakness:
    """None at all; each subclass is weak in one way."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    def before(self, _exchange: Exchange, /) -> bool:
        """Change the request; whether it was answered here."""
        return False

    def after(self, _exchange: Exchange, /) -> None:
        """Change the answer."""

    def admin_token(self) -> str:
        account = self.authority.account("admin01")
        assert account is not None
        return self.authority.issue(account, "planted", "planted").token


class SecretInAnswer(Weakness):
    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/auth/me" and exchange.status == 200:
            exchange.answer = json.dumps({**json.loads(exchange.answer), "password": "in-the-clear"}).encode()


class AnyOrigin(Weakness):
    def after(self, exchange: Exchange) -> None:
        if origin := exchange.headers.get("origin"):
            exchange.answer_headers += [
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-allow-credentials", b"true"),
            ]


class PublicCache(Weakness):
    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/sessions":
            kept = [header for header in exchange.answer_headers if header[0] != b"cache-control"]
            exchange.answer_headers = [*kept, (b"cache-control", b"public, max-age=60")]


class NoTokenNeeded(Weakness):
    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/sessions/statistics" and "authorization" not in exchange.headers:
            exchange.use_token(self.admin_token())
        return False


class NoRoleNeeded(Weakness):
    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/admin/accounts" and "authorization" in exchange.headers:
            exchange.use_token(self.admin_token())
        return False


class OpenCookie(Weakness):
    def before(self, exchange: Exchange) -> bool:
        name, _, token = exchange.headers.get("cookie", "").partition("=")
        if name == "session" and "authorization" not in exchange.headers:
            exchange.use_token(token)
        return False

    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/auth/login" and exchange.status == 200:
            token = json.loads(exchange.answer)["token"]
            exchange.answer_headers.append((b"set-cookie", f"session={token}; HttpOnly; Secure; Path=/".encode()))


class SilentLog(Weakness):
    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/admin/audit" and exchange.status == 200:
            page = json.loads(exchange.answer)
            (listed,) = (name for name, value in page.items() if isinstance(value, list))
            page[listed] = [entry for entry in page[listed] if entry["status"] != 401]
            exchange.answer = json.dumps(page).encode()


class ShownTrace(Weakness):
    def after(self, exchange: Exchange) -> None:
        if exchange.status == 400:
            try:
                json.loads(exchange.body)
            except ValueError as error:
                trace = f'Traceback (most recent call last):\n  File "{__file__}", line 1\n{error!r}'
                exchange.answer = json.dumps({**json.loads(exchange.answer), "trace": trace}).encode()


class FailsOnLists(Weakness):
    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/auth/refresh" and exchange.body.startswith(b"[1]"):
            exchange.status, exchange.answer = 500, b'{"error": {"code": "internal", "message": "internal error"}}'


class PastedSql(Weakness):
    """A search whose statement is put together from its text, in a real database."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(authority)
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute("CREATE TABLE media (title TEXT)")
        self._database.execute("INSERT INTO media VALUES ('one')")

    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/media" and "query" in exchange.query and "authorization" in exchange.headers:
            try:
                rows = self._database.execute(f"SELECT title FROM media WHERE title = '{exchange.query['query']}'")
                exchange.set_answer(200, "application/json", json.dumps(rows.fetchall()).encode())
            except sqlite3.Error as error:
                self.explain(exchange, str(error))
            return True
        return False

    def explain(self, exchange: Exchange, complaint: str) -> None:
        exchange.set_answer(400, "application/json", json.dumps({"error": complaint}).encode())


class PastedSqlInSilence(PastedSql):
    def explain(self, exchange: Exchange, _complaint: str) -> None:
        exchange.set_answer(400, "application/json", b'{"error": "no such query"}')


class EchoingPage(Weakness):
    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/" and "q" in exchange.query:
            policy = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
            exchange.set_answer(200, "text/html", f"<p>Nothing found for {exchange.query['q']}".encode(), policy)
            return True
        return False


class StaysWithTls(Weakness):
    """No weakness: what a target with TLS says."""

    def after(self, exchange: Exchange) -> None:
        exchange.answer_headers.append((b"strict-transport-security", b"max-age=31536000"))


class Proof(Weakness):
    """No weakness: it serves what standard input has given it as a second line."""

    def before(self, exchange: Exchange) -> bool:
        if exchange.path == PROOF_PATH:
            exchange.set_answer(200, "text/plain", Path(sys.argv[2]).read_bytes(), (b"x-proof", b"yes"))
            return True
        return False


class CountingAuthority(Authority):
    """Its tokens have numbers instead of random identifiers."""

    _issued = 0

    def issue(self, account: Account, family: str, refresh_id: str) -> Token:
        token = super().issue(account, family, refresh_id)
        claims = self._signer.read(token.token, AccessClaims)
        CountingAuthority._issued += 1
        counted = AccessClaims(
            claims.sub, claims.role, claims.iat, claims.exp, f"{1000 + CountingAuthority._issued}", claims.fam
        )
        token.token = self._signer.sign(counted)
        return token


WEAKNESSES: dict[str, type[Weakness]] = {
    "encryption": SecretInAnswer,
    "cors": AnyOrigin,
    "cache-invalidation": PublicCache,
    "authentication": NoTokenNeeded,
    "authorization": NoRoleNeeded,
    "csrf": OpenCookie,
    "audit-logging": SilentLog,
    "error-messages": ShownTrace,
    "input-validation": FailsOnLists,
    "sql-injection": PastedSql,
    "sql-injection-in-silence": PastedSqlInSilence,
    "xss": EchoingPage,
    "tls": StaysWithTls,
    "proof": Proof,
}


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
            await self._ask(exchange, iter(messages), receive)
            self._weakness.after(exchange)
        headers = [header for header in exchange.answer_headers if header[0] != b"content-length"]
        if exchange.status not in {204, 304} and scope["method"] != "HEAD":
            headers.append((b"content-length", b"%d" % len(exchange.answer)))
        await send({"type": "http.response.start", "status": exchange.status, "headers": headers})
        await send({"type": "http.response.body", "body": exchange.answer})

    async def _ask(self, exchange: Exchange, messages: object, receive: Receive) -> None:
        async def again() -> Message:
            return next(messages, None) or await receive()  # type: ignore[call-overload]

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status, exchange.answer_headers = message["status"], list(message.get("headers", ()))
            else:
                exchange.answer += message.get("body", b"")

        await self._gateway(exchange.scope, again, collect)


def creator(weakness: str) -> Callable[[AsyncExitStack], Awaitable[WeakGateway]]:
    async def create(stack: AsyncExitStack) -> WeakGateway:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="piswarm-weak-"))
        database = await open_database(f"{directory}/target.db", Durability.PROCESS)
        stack.push_async_callback(database.close)
        settings = AuthSettings(lockout=LockoutRules(failures=0 if weakness == "rate-limiting" else 10))
        if weakness == "hashing":
            storage = AuthStorage(database)
            await storage.create()
            await storage.put_secret("signing key", b"your-256-bit-secret".hex())
        kind = CountingAuthority if weakness == "randomness" else Authority
        authority = kind(read_password(None, from_orders=False) or "", settings)
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=2))
        gateway = create_gateway(authority, database, pool)
        return WeakGateway(gateway, WEAKNESSES.get(weakness, Weakness)(authority))

    return create


def main(weakness: str, certificate: str = "") -> None:
    server = Server(creator(weakness))
    if weakness == "security-headers":
        server.config.headers = []
    if weakness == "tls":
        server.config.ssl_certfile = server.config.ssl_keyfile = certificate
    end_on_signals(server.stop)
    end_after_stdin(server.stop, server.count_requests, 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.run([listener])
    if server.failure is not None:
        raise server.failure


if __name__ == "__main__":
    main(*sys.argv[1:])
