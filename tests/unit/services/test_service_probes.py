"""What is said to services, and what their answers mean, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.services.addresses import address_of, parse_address
from master.services.health.probes import Exchange, HttpExchange, PostgresExchange, RedisExchange, TcpExchange

HERE = parse_address("http://127.0.0.1:8080/base")
HTTP = HttpExchange(HERE, "/health", None)
UNAUTHORIZED = HttpExchange(HERE, "/auth/me", 401)
POSTGRES = PostgresExchange("piswarm", "orders")
REDIS = RedisExchange("", "sesame")


def error(code: str, message: str) -> bytes:
    body = b"SFATAL\0C" + code.encode() + b"\0M" + message.encode() + b"\0\0"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


OK = b"R\0\0\0\x08\0\0\0\0"
READY = b"Z\0\0\0\x05I"


@pytest.mark.parametrize(
    ("exchange", "received", "healthy", "words"),
    [
        (TcpExchange(), b"", True, "accepts connections"),
        (HTTP, b"HTTP/1.1 200 OK\r\n", True, "status 200"),
        (HTTP, b"HTTP/1.0 204\r\n", True, "status 204"),
        (HTTP, b"HTTP/1.1 503 Service Unavailable\r\n", False, "status 503, where a status from 200 to 299"),
        (UNAUTHORIZED, b"HTTP/1.1 401 Unauthorized\r\n", True, "status 401"),
        (UNAUTHORIZED, b"HTTP/1.1 200 OK\r\n", False, "status 200, where 401 is healthy"),
        (HTTP, b"SSH-2.0-OpenSSH_9.6\r\n", False, "no HTTP: SSH-2.0"),
        (HTTP, b"HTTP/1.1 \x1b[2J OK\r\n", False, "no HTTP"),
        (POSTGRES, b"R\0\0\0\x08\0\0\0\x03", True, "asks for a password"),
        (POSTGRES, OK + READY, True, "accepts connections"),
        (POSTGRES, OK + error("3D000", 'database "orders" does not exist'), False, "does not exist"),
        (POSTGRES, error("57P03", "the database system is starting up"), False, "starting up"),
        (POSTGRES, error("53300", "too many clients already"), False, "too many clients"),
        (POSTGRES, error("28000", "no pg_hba.conf entry"), True, "refuses this account"),
        (POSTGRES, b"HTTP/1.1 400 Bad Request\r\n", False, "no PostgreSQL"),
        (REDIS, b"+OK\r\n+PONG\r\n", True, "answers PING"),
        (REDIS, b"-WRONGPASS invalid username-password pair\r\n", False, "WRONGPASS"),
        (REDIS, b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n", False, "LOADING"),
        (REDIS, b"-NOAUTH Authentication required.\r\n", True, "asks for a password"),
    ],
)
def test_an_answer_means_health_or_not(exchange: Exchange, received: bytes, healthy: bool, words: str) -> None:
    """An answer that comes byte by byte means the same as one that comes at once, and nothing before it can be known."""
    at_once = exchange.judge(received)
    assert at_once is not None
    assert at_once.healthy is healthy
    assert words in at_once.detail
    assert at_once.detail.isprintable()
    first = next(answer for end in range(len(received) + 1) if (answer := exchange.judge(received[:end])) is not None)
    assert first.healthy is healthy


@pytest.mark.parametrize("exchange", [HTTP, POSTGRES, REDIS], ids=["http", "postgresql", "redis"])
@given(received=st.binary(max_size=200))
def test_whatever_a_service_says_is_judged_without_an_error(exchange: Exchange, received: bytes) -> None:
    """What is said can be shown, and is short."""
    answer = exchange.judge(received)
    assert answer is None or (answer.detail.isprintable() and len(answer.detail) < 1000)


def test_the_requests_are_those_of_the_protocols() -> None:
    """As curl, pg_isready and redis-cli would send them."""
    assert HTTP.request.startswith(b"GET /base/health HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n")
    assert HTTP.request.endswith(b"Connection: close\r\n\r\n")
    assert POSTGRES.request[:8] == len(POSTGRES.request).to_bytes(4, "big") + b"\0\x03\0\0"
    assert b"user\0piswarm\0" in POSTGRES.request
    assert b"database\0orders\0" in POSTGRES.request
    assert REDIS.request == b"*2\r\n$4\r\nAUTH\r\n$6\r\nsesame\r\n*1\r\n$4\r\nPING\r\n"
    assert RedisExchange("", "").request == b"*1\r\n$4\r\nPING\r\n"


@pytest.mark.parametrize(
    ("url", "shown", "database"),
    [
        ("postgresql://piswarm:secret@db.example/orders", "postgresql://db.example:5432/orders", "orders"),
        ("redis://[::1]:6380/3", "redis://[::1]:6380/3", "3"),
        ("https://127.0.0.1", "https://127.0.0.1:443", ""),
    ],
)
def test_an_address_is_shown_without_its_account(url: str, shown: str, database: str) -> None:
    """The scheme's own port is known, and neither what is shown nor the representation has the password."""
    address = parse_address(url)
    assert address.shown == shown
    assert address.database == database
    assert "secret" not in repr(address)
    assert "sesame" not in repr(REDIS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:80",
        "tcp://127.0.0.1",
        "ftp://x",
        "http://",
        "http://a b",
        "http://x?y",
        "redis://a%00b@x",
        "redis://u:sesame@x:y",
        "http://[::1",
    ],
)
def test_what_is_no_url_of_a_service_is_refused(url: str) -> None:
    """With a sentence that has no password in it."""
    with pytest.raises(ValueError, match=r".") as refused:
        parse_address(url)
    assert "sesame" not in str(refused.value)


def test_a_url_from_the_environment_is_used_when_it_is_set() -> None:
    """An empty variable is none."""
    assert address_of(None, "A_URL", {"A_URL": "tcp://127.0.0.1:9"}, "") == parse_address("tcp://127.0.0.1:9")
    assert address_of(None, "A_URL", {"A_URL": " "}, "") is None
    with pytest.raises(ValueError, match="the environment variable A_URL"):
        address_of(None, "A_URL", {"A_URL": "x"}, "")
