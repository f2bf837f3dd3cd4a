"""Each endpoint refuses what is hostile: tokens that are none, bodies that are too deep, too long or of another type, SQL in strings."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from processes import Reply, Target

SQL = "'; DROP TABLE accounts; -- \" ; DELETE FROM nodes"
BODY_OF_JSON, BODY_OF_BYTES = "application/json", "application/octet-stream"


class Operation(NamedTuple):
    """A method of a path, as the target describes it."""

    method: str
    path: str
    description: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def body_type(self) -> str | None:
        content = self.description.get("requestBody", {}).get("content", {})
        return next(iter(content), None)

    def path_with(self, value: str) -> str:
        """Its path, with `value` for each variable part."""
        return "/".join(value if part.startswith("{") else part for part in self.path.split("/"))


class Api:
    """A target, and what it describes."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.description = target.ask("GET", "/openapi.json").json
        self.operations = [
            Operation(method.upper(), path, described)
            for path, methods in self.description["paths"].items()
            for method, described in methods.items()
        ]
        accounts = {"user": "user0001", "admin": "admin01", "node": "node0001"}
        self._tokens = {role: target.sign_in(name) for role, name in accounts.items()}

    def token(self, operation: Operation) -> str | None:
        """One of an account that may call it."""
        if "security" not in operation.description:
            return None
        return self._tokens[operation.description.get("x-roles", ["user"])[0]]

    def ask(self, operation: Operation, body: bytes | None = None, content_type: str | None = None) -> Reply:
        headers = {} if content_type is None else {"Content-Type": content_type}
        token = self.token(operation)
        return self.target.ask(operation.method, operation.path_with("x"), body, token, **headers)


@pytest.fixture(scope="module")
def api(database_options: list[str]) -> Iterator[Api]:
    with Target(*database_options) as target:
        yield Api(target)


def wrong(api: Api, replies: dict[str, Reply], *statuses: int) -> list[str]:
    """What was answered otherwise than with one of these statuses and the one body of errors."""
    assert replies
    assert api.target.ask("GET", "/health").status == 200
    return [
        f"{name}: {reply.status} {reply.body[:200]!r}"
        for name, reply in replies.items()
        if reply.status not in statuses or set(reply.json["error"]) != {"code", "message"}
    ]


def with_json(api: Api, body: bytes, content_type: str = BODY_OF_JSON) -> dict[str, Reply]:
    """The answers of all endpoints that take JSON."""
    return {
        operation.name: api.ask(operation, body, content_type)
        for operation in api.operations
        if operation.body_type == BODY_OF_JSON
    }


def unsigned(token: str) -> str:
    """A token with the claims of a good one, that says it needs no signature."""
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def test_no_endpoint_takes_a_token_that_is_none(api: Api) -> None:
    """Of another key, of no algorithm, with another's claims under an old signature, of the other kind, or nothing at all."""
    good = api.target.ask("POST", "/auth/login", {"username": "admin01", "password": "piswarm"}).json
    claims = json.loads(base64.urlsafe_b64decode(good["token"].split(".")[1] + "=="))
    forged = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(bytes(32)))
    header, _, signature = good["token"].split(".")
    other = api.target.sign_in("user0002").split(".")[1]
    tokens = [None, "", forged, unsigned(good["token"]), f"{header}.{other}.{signature}", good["refresh_token"]]
    for token in tokens:
        replies = [
            api.target.ask(operation.method, operation.path_with("x"), b"{}", token)
            for operation in api.operations
            if "security" in operation.description
        ]
        assert {reply.status for reply in replies} == {401}
        # An answer to HEAD has no body.
        assert {reply.json["error"]["code"] for reply in replies if reply.body} == {"unauthorized"}


def test_no_endpoint_takes_an_expired_token() -> None:
    with Target("--token-lifetime=0") as target:
        api = Api(target)
        replies = [api.ask(operation) for operation in api.operations if "security" in operation.description]
        assert {reply.status for reply in replies} == {401}
        assert {reply.json["error"]["message"] for reply in replies if reply.body} == {"token expired"}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ";", "a/b/c"]
)
def test_json_of_another_type_is_refused(api: Api, content_type: str) -> None:
    assert not wrong(api, with_json(api, b"{}", content_type), 415)


@pytest.mark.parametrize(
    "body", [b"[" * 60_000, b'{"a":' * 12_000, b"[" * 30_000 + b"]" * 30_000, b"", b"{", b"\xff", b"{}{}"]
)
def test_what_is_no_json_or_too_deep_is_refused(api: Api, body: bytes) -> None:
    """With 422 where the type or a field's name is wrong before it breaks off."""
    assert not wrong(api, with_json(api, body), 400, 422)


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b'{"no such field": 1}', b'{"__proto__": {}}'])
def test_json_of_another_shape_is_refused(api: Api, body: bytes) -> None:
    assert not wrong(api, with_json(api, body), 422)


def test_no_endpoint_takes_a_body_that_is_too_long(api: Api) -> None:
    body = b"[" + b" " * (2 * 1024 * 1024) + b"]"
    assert not wrong(api, with_json(api, body), 413)
    takers = [operation for operation in api.operations if operation.body_type == BODY_OF_BYTES]
    assert not wrong(api, {operation.name: api.ask(operation, bytes(64 * 1024 * 1024)) for operation in takers}, 413)


def test_what_is_refused_writes_nothing(tmp_path: Path) -> None:
    """In no table but the one of failed sign-ins and the audit log, which are there for it."""
    file = tmp_path / "target.db"

    def rows() -> dict[str, list[Any]]:
        with closing(sqlite3.connect(file)) as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            kept = [name for name in names if name not in {"audit", "failed_sign_ins"}]
            return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in kept}

    with Target(f"--database={file}", "--block-time=1000") as target:
        api = Api(target)
        before = rows()
        assert before["accounts"]
        for body in (b"", b"{", b"[]", b"null", b'{"no such field": 1}', b"[" * 60_000, b'{"name": "\\u0000"}'):
            assert not wrong(api, with_json(api, body), 400, 422)
        assert not wrong(api, with_json(api, b"{}", "text/plain"), 415)
        for operation in api.operations:
            if "security" in operation.description:
                assert target.ask(operation.method, operation.path_with("x"), b"{}", "x").status == 401
        assert rows() == before


def strings_filled(schema: dict[str, Any], components: dict[str, Any], text: str) -> Any:
    """A value of the schema with `text` for each string that allows it, and else what comes first."""
    if "$ref" in schema:
        return strings_filled(components[schema["$ref"].rpartition("/")[2]], components, text)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return strings_filled(schema["anyOf"][0], components, text)
    kind = schema.get("type")
    if kind == "object":
        return {name: strings_filled(found, components, text) for name, found in schema.get("properties", {}).items()}
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items") or {}] * schema.get("minItems", 1)
        return [strings_filled(item, components, text) for item in items]
    return text[: schema.get("maxLength", len(text))] if kind == "string" else schema.get("minimum", 1)


def test_sql_in_strings_is_text(api: Api) -> None:
    """In bodies, paths and queries, of every endpoint: answered without a 5xx, and every table is still there afterwards."""
    components = api.description["components"]["schemas"]
    for operation in api.operations:
        if operation.path == "/auth/logout":
            continue
        token, body = api.token(operation), None
        if operation.body_type == BODY_OF_JSON:
            schema = operation.description["requestBody"]["content"][BODY_OF_JSON]["schema"]
            body = json.dumps(strings_filled(schema, components, SQL)).encode()
        quoted = "".join(f"%{byte:02x}" for byte in SQL.encode())
        names = [each["name"] for each in operation.description.get("parameters", ()) if each["in"] == "query"]
        for query in ["", *(f"?{name}={quoted}" for name in names)]:
            reply = api.target.ask(operation.method, operation.path_with(quoted) + query, body, token)
            assert reply.status < 500, (operation.name, query, reply)
            assert str(reply.status) in operation.description["responses"], (operation.name, reply)
    assert api.target.sign_in("user0001")
    statistics = api.target.ask("GET", "/admin/statistics", token=api.target.sign_in("admin01"))
    assert statistics.status == 200


@pytest.mark.parametrize("depth", [1, 900])
def test_the_character_u_0000_is_found_however_deep(api: Api, depth: int) -> None:
    body = b'{"payload": {"a": ' + b"[" * depth + b'"\\u0000"' + b"]" * depth + b"}}"
    operation = next(each for each in api.operations if each.name == "POST /chain/transactions")
    assert not wrong(api, {operation.name: api.ask(operation, body, BODY_OF_JSON)}, 422)


def test_a_name_ends_where_its_line_does(api: Api) -> None:
    """Not before a line feed, which a regular expression's dollar lets pass."""
    validator = json.dumps({"name": "v\n"}).encode()
    record = {"kind": "relay", "units": 1, "quality_ppm": 1, "started_at": 0, "ended_at": 1}
    bodies = {"/chain/validators": validator, "/poot/records": json.dumps({"node": "n\n", **record}).encode()}
    operations = [each for each in api.operations if each.method == "POST" and each.path in bodies]
    replies = {each.name: api.ask(each, bodies[each.path], BODY_OF_JSON) for each in operations}
    assert not wrong(api, replies, 422)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_http_is_answered_like_everything_else(api: Api, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", api.target.port), timeout=20) as connection:
        connection.sendall(sent)
        response = http.client.HTTPResponse(connection)
        response.begin()
        reply = Reply(response.status, dict(response.getheaders()), response.read())
    assert not wrong(api, {"no HTTP": reply}, 400)
