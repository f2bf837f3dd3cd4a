"""Nothing is sent to a target that the operator does not claim, or prove, to own."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.audit import address
from master.audit.address import Address, Reach, parse_url, reach_of, resolve
from master.audit.answer import Answer
from master.audit.client import ssl_context
from master.audit.ownership import PROOF_PATH, expected_text, read_token, require_claim, require_proof
from master.errors import AbortError, InputError

PUBLIC = Address("https", "example.org", 443, "", "93.184.215.14", Reach.PUBLIC)
LOOPBACK = Address("http", "127.0.0.1", 8080, "", "127.0.0.1", Reach.LOOPBACK)
TOKEN = "t" * 43


class Serving:
    """A target that serves one text as its proof, and counts what it is asked."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.asked: list[str] = []
        self._body, self._status = body, status

    def ask(self, method: str, path: str) -> Answer:
        self.asked.append(f"{method} {path}")
        return Answer(f"{method} {path}", self._status, {}, self._body)


@pytest.mark.parametrize(
    ("ip", "reach"),
    [
        ("127.0.0.1", Reach.LOOPBACK),
        ("127.8.8.8", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("10.1.2.3", Reach.PRIVATE),
        ("172.31.255.255", Reach.PRIVATE),
        ("192.168.0.9", Reach.PRIVATE),
        ("::ffff:192.168.0.9", Reach.PRIVATE),
        ("fd00::9", Reach.PRIVATE),
        ("8.8.8.8", Reach.PUBLIC),
        ("172.32.0.1", Reach.PUBLIC),
        ("100.64.0.1", Reach.PUBLIC),
        ("::ffff:8.8.8.8", Reach.PUBLIC),
        ("2606:4700::1", Reach.PUBLIC),
        ("169.254.169.254", Reach.FORBIDDEN),
        ("fe80::1%eth0", Reach.FORBIDDEN),
        ("0.0.0.0", Reach.FORBIDDEN),
        ("::", Reach.FORBIDDEN),
        ("224.0.0.1", Reach.FORBIDDEN),
    ],
)
def test_each_address_is_of_its_kind(ip: str, reach: Reach) -> None:
    """An address is loopback, private, public or none of a target's, also where IPv6 wraps it."""
    assert reach_of(ip) is reach


@given(st.ip_addresses())
def test_every_address_is_of_some_kind(ip: object) -> None:
    """No address is without a kind."""
    assert reach_of(str(ip)) in Reach


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org",
        "http://",
        "http://u:p@example.org",
        "http://example.org/?a=1",
        "http://example.org/#a",
        "http://example.org:99999",
        "http://exa mple.org",
        "http://example.org/\n",
        "http://bücher.example",
        "http://[::1",
    ],
)
def test_what_is_no_target_is_refused(url: str) -> None:
    """A URL that is none, or says more than where the target is, is the operator's mistake."""
    with pytest.raises(InputError):
        parse_url(url)


def test_a_url_is_taken_apart() -> None:
    """Scheme, name, port and the path before the API's own."""
    assert parse_url("https://Example.org/api/") == ("https", "example.org", 443, "/api")
    assert parse_url("http://[::1]:8080") == ("http", "::1", 8080, "")


def test_a_name_with_a_public_address_among_private_ones_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that also stands for a public address is not covered by the flag for private ones."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("127.0.0.1", "8.8.8.8")]
    monkeypatch.setattr(address.socket, "getaddrinfo", lambda *_, **__: found)
    resolved = resolve("http://both.example")
    assert (resolved.reach, resolved.ip) == (Reach.PUBLIC, "127.0.0.1")
    with pytest.raises(InputError, match="must be proved"):
        require_claim(resolved, private=True, proof=None)


def test_the_metadata_service_of_clouds_is_never_audited() -> None:
    """Link-local addresses are refused whatever the operator says."""
    with pytest.raises(InputError, match="link-local"):
        resolve("http://169.254.169.254/latest")


@pytest.mark.parametrize("private", [False, True])
def test_a_public_address_needs_a_proof(private: bool) -> None:
    """The flag for private addresses does not do for a public one."""
    with pytest.raises(InputError, match="must be proved") as caught:
        require_claim(PUBLIC, private=private, proof=None)
    assert "Nothing was sent" in caught.value.hint


def test_a_loopback_address_needs_the_flag_or_a_proof() -> None:
    """What is on this machine may be somebody else's, too."""
    with pytest.raises(InputError, match="say that it is yours"):
        require_claim(LOOPBACK, private=False, proof=None)
    require_claim(LOOPBACK, private=True, proof=None)
    require_claim(LOOPBACK, private=False, proof=Path("token"))
    with pytest.raises(InputError, match="exclude"):
        require_claim(LOOPBACK, private=True, proof=Path("token"))


def test_a_target_that_serves_the_proof_is_the_operators() -> None:
    """One request is sent for the proof, and blanks around it do no harm."""
    target = Serving(expected_text(TOKEN, PUBLIC.origin).encode() + b"\r\n")
    require_proof(target, TOKEN, PUBLIC)
    assert target.asked == [f"GET {PROOF_PATH}"]


@pytest.mark.parametrize(
    "served",
    [
        b"",
        TOKEN.encode(),
        expected_text("another token of enough characters", PUBLIC.origin).encode(),
        expected_text(TOKEN, LOOPBACK.origin).encode(),
        b"\xff" * 80,
    ],
)
def test_another_text_proves_nothing(served: bytes) -> None:
    """Neither the token itself, nor a proof of another's or for another target is one."""
    with pytest.raises(InputError, match="does not prove"):
        require_proof(Serving(served), TOKEN, PUBLIC)


def test_a_proof_with_an_error_status_proves_nothing() -> None:
    """A page of errors may repeat anything."""
    with pytest.raises(InputError, match="status 404"):
        require_proof(Serving(expected_text(TOKEN, PUBLIC.origin).encode(), 404), TOKEN, PUBLIC)


def test_a_token_is_made_where_there_is_none(tmp_path: Path) -> None:
    """The first call makes a token that only its owner can read, and says what to serve; the second reads it."""
    file = tmp_path / "token"
    with pytest.raises(InputError) as caught:
        read_token(file, PUBLIC)
    token = read_token(file, PUBLIC)
    assert file.stat().st_mode & 0o777 == 0o600
    assert expected_text(token, PUBLIC.origin) in caught.value.hint
    assert token not in caught.value.hint + caught.value.message


def test_a_token_that_others_can_read_or_guess_is_refused(tmp_path: Path) -> None:
    """A token is of its owner alone, and long."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o644)
    with pytest.raises(InputError, match="others can read"):
        read_token(file, PUBLIC)
    file.write_text("short")
    file.chmod(0o600)
    with pytest.raises(InputError, match="32 characters"):
        read_token(file, PUBLIC)


@pytest.mark.parametrize("name", [f"{'a' * 64}.example", "a..example"])
def test_a_name_that_no_resolver_takes_can_not_be_resolved(name: str) -> None:
    """Its labels are too long, or missing: that is said, as of any name that does not resolve."""
    with pytest.raises(AbortError, match="can't be resolved"):
        resolve(f"http://{name}")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Neither for the token nor for authorities: nobody may ever write to it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(InputError, match="is not a file"):
        read_token(pipe, LOOPBACK)
    with pytest.raises(InputError, match="is not a file"):
        ssl_context(pipe)
