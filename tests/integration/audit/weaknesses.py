"""The places where a target may be weak, each a class: what it does to requests and answers of the real application."""

from __future__ import annotations

import base64
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Scope

from master.target.auth.authority import Authority

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

    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

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

    def token_of(self, name: str) -> str:
        """A good token of an account."""
        account = self.authority.account(name)
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
            exchange.use_token(self.token_of("admin01"))
        return False


class NoRoleNeeded(Weakness):
    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/admin/accounts" and "authorization" in exchange.headers:
            exchange.use_token(self.token_of("admin01"))
        return False


class OpenObjects(Weakness):
    """Whoever has the identifier of a session may read it."""

    def before(self, exchange: Exchange) -> bool:
        is_one = exchange.path.startswith("/sessions/") and exchange.path != "/sessions/statistics"
        is_read = is_one and exchange.method == "GET" and exchange.token().count(".") == 2
        if is_read and claims_of(exchange.token()).get("role") == "user":
            exchange.use_token(self.token_of("admin01"))
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
        drop_entries(exchange, 401)


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


class SharedCache(Weakness):
    """It keeps who one is for whoever asks next."""

    _kept = b""

    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/auth/me" and self._kept and exchange.token():
            exchange.set_answer(200, "application/json", self._kept)
            return True
        return False

    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/auth/me" and exchange.status == 200:
            self._kept = exchange.answer


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


class AnySignature(Weakness):
    """It believes what a token claims."""

    def before(self, exchange: Exchange) -> bool:
        token = exchange.token()
        if token.count(".") == 2 and token.endswith("."):
            exchange.use_token(self.token_of(claims_of(token)["sub"]))
        return False


class AnyUse(Weakness):
    def before(self, exchange: Exchange) -> bool:
        token = exchange.token()
        if token.count(".") == 2 and not token.endswith(".") and exchange.path == "/auth/me":
            claims = claims_of(token)
            if claims.get("use") == "refresh":
                exchange.use_token(self.token_of(claims["sub"]))
        return False


class NoSignOut(Weakness):
    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/auth/logout" and exchange.token().count(".") == 2:
            exchange.set_answer(204, "text/plain", b"")
            return True
        return False


class KnownNames(Weakness):
    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/auth/login" and exchange.status == 401:
            name = json.loads(exchange.body)["username"]
            what = "no such account" if self.authority.account(name) is None else "wrong password"
            exchange.answer = json.dumps({"error": {"code": "unauthorized", "message": what}}).encode()


class LoggedPasswords(Weakness):
    _sent = ""

    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/auth/login" and exchange.status == 401:
            self._sent = json.loads(exchange.body)["password"]
        if exchange.path == "/admin/audit" and exchange.status == 200:
            exchange.answer = json.dumps({**json.loads(exchange.answer), "detail": self._sent}).encode()


class SilentDenials(Weakness):
    def after(self, exchange: Exchange) -> None:
        drop_entries(exchange, 403)


class StarOrigin(Weakness):
    def after(self, exchange: Exchange) -> None:
        exchange.answer_headers.append((b"access-control-allow-origin", b"*"))


class HashInAnswer(Weakness):
    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/auth/me" and exchange.status == 200:
            shown = {**json.loads(exchange.answer), "stored": "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"}
            exchange.answer = json.dumps(shown).encode()


class AcceptsLists(Weakness):
    def after(self, exchange: Exchange) -> None:
        if exchange.path == "/auth/refresh" and exchange.body.startswith(b"[1]"):
            exchange.status, exchange.answer = 200, b"{}"


class LongBodies(Weakness):
    def before(self, exchange: Exchange) -> bool:
        exchange.body = exchange.body.strip()
        return False


class PastedSqlInSignIn(Weakness):
    """Its accounts are in a real database, which is asked by a statement that is put together."""

    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/auth/login" and b"' OR " in exchange.body:
            name = json.loads(exchange.body)["username"]
            with closing(sqlite3.connect(":memory:")) as database:
                database.execute("CREATE TABLE accounts (name TEXT, password TEXT)")
                database.execute("INSERT INTO accounts VALUES ('admin01', 'unknown')")
                statement = f"SELECT name FROM accounts WHERE name = '{name}' AND password = 'x'"
                found = database.execute(statement).fetchone()
            if found is not None:
                exchange.set_answer(200, "application/json", json.dumps({"token": self.token_of(found[0])}).encode())
                return True
        return False


class NoRetryAfter(Weakness):
    def after(self, exchange: Exchange) -> None:
        exchange.answer_headers = [header for header in exchange.answer_headers if header[0] != b"retry-after"]


class NamedServer(Weakness):
    def after(self, exchange: Exchange) -> None:
        exchange.answer_headers.append((b"server", b"nginx/1.18.0"))


class PageWithoutPolicy(Weakness):
    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/" and exchange.method == "GET":
            exchange.set_answer(200, "text/html", b"<p>Welcome", (b"x-frame-options", b"DENY"))
            return True
        return False


class PageInFrames(Weakness):
    def before(self, exchange: Exchange) -> bool:
        if exchange.path == "/" and exchange.method == "GET":
            exchange.set_answer(200, "text/html", b"<p>Welcome", (b"content-security-policy", b"default-src 'none'"))
            return True
        return False


def claims_of(token: str) -> dict[str, Any]:
    text = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def drop_entries(exchange: Exchange, status: int) -> None:
    """Take the entries with that status out of an answer with the audit log."""
    if exchange.path == "/admin/audit" and exchange.status == 200:
        page = json.loads(exchange.answer)
        (listed,) = (name for name, value in page.items() if isinstance(value, list))
        page[listed] = [entry for entry in page[listed] if entry["status"] != status]
        exchange.answer = json.dumps(page).encode()


WEAKNESSES: dict[str, type[Weakness]] = {
    "encryption": SecretInAnswer,
    "cors": AnyOrigin,
    "cache-invalidation": PublicCache,
    "authentication": NoTokenNeeded,
    "authorization": NoRoleNeeded,
    "open-objects": OpenObjects,
    "csrf": OpenCookie,
    "audit-logging": SilentLog,
    "error-messages": ShownTrace,
    "input-validation": FailsOnLists,
    "sql-injection": PastedSql,
    "sql-injection-in-silence": PastedSqlInSilence,
    "xss": EchoingPage,
    "tls": StaysWithTls,
    "tls-old": StaysWithTls,
    "tls-anonymous": StaysWithTls,
    "tls-short-key": StaysWithTls,
    "shared-cache": SharedCache,
    "proof": Proof,
    "forged-token": AnySignature,
    "refresh-token": AnyUse,
    "sign-out": NoSignOut,
    "known-names": KnownNames,
    "logged-passwords": LoggedPasswords,
    "silent-denials": SilentDenials,
    "star-origin": StarOrigin,
    "hash-in-answer": HashInAnswer,
    "accepts-lists": AcceptsLists,
    "long-bodies": LongBodies,
    "sql-sign-in": PastedSqlInSignIn,
    "no-retry-after": NoRetryAfter,
    "named-server": NamedServer,
    "page-without-policy": PageWithoutPolicy,
    "page-in-frames": PageInFrames,
}
