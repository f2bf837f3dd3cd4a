"""Accounts and tokens."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.requests import Request

from master.target.api.caller import Role
from master.target.api.errors import ApiError
from master.target.auth.authority import Authority, AuthSettings
from master.target.auth.passwords import HashCost
from master.target.auth.tokens import AccessClaims, RefreshClaims


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def request_with(token: str | bytes, scheme: str = "Bearer") -> Request:
    token = token if isinstance(token, bytes) else token.encode()
    return request_of([(b"authorization", scheme.encode() + b" " + token)])


def request_of(headers: list[tuple[bytes, bytes]]) -> Request:
    return Request({"type": "http", "headers": headers})


def status_of(authority: Authority, request: Request) -> int:
    with pytest.raises(ApiError) as caught:
        authority.caller(request)
    return caught.value.status


def signed_in(authority: Authority, name: str, family: str = "f") -> str:
    """A token of that account."""
    account, _ = authority.check_password(name, "piswarm")
    return authority.issue(account, family, "r").token


def base64_of(header: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(clock: Clock) -> Authority:
    return Authority("piswarm", AuthSettings(token_lifetime_s=60, refresh_lifetime_s=600), clock=clock)


def test_a_token_names_its_account_and_role(authority: Authority) -> None:
    for name, role in [
        ("user0001", Role.USER),
        ("user2000", Role.USER),
        ("admin20", Role.ADMIN),
        ("node1000", Role.NODE),
    ]:
        caller = authority.caller(request_with(signed_in(authority, name)))
        assert (caller.name, caller.role, caller.is_admin) == (name, role, role is Role.ADMIN)


@pytest.mark.parametrize(
    ("name", "password"),
    [("user0001", "wrong"), ("user0000", "piswarm"), ("user2001", "piswarm"), ("", "piswarm"), ("user1", "piswarm")],
)
def test_who_may_not_sign_in(authority: Authority, name: str, password: str) -> None:
    for _ in range(2):
        assert authority.check_password(name, password) == (None, None)


def test_the_second_sign_in_is_checked_against_the_hash_of_the_first(authority: Authority) -> None:
    account, made = authority.check_password("user0001", "piswarm")
    account.password_hash = made
    assert authority.check_password("user0001", "piswarm") == (account, None)
    assert authority.check_password("user0001", "piswarm ") == (None, None)
    for broken in ("", "x", made[:-1], made.replace("argon2id", "argon2i")):
        account.password_hash = broken
        assert authority.check_password("user0001", "piswarm") == (None, None)


def test_equal_passwords_have_different_hashes(authority: Authority) -> None:
    assert len({authority.check_password(f"user000{digit}", "piswarm")[1] for digit in (1, 2, 3)}) == 3


def test_a_hash_of_another_cost_is_good_and_made_anew(authority: Authority) -> None:
    account, made = authority.check_password("user0001", "piswarm")
    account.password_hash = made
    dearer = Authority("piswarm", AuthSettings(hash_cost=HashCost(memory_kib=64, passes=2)))
    dearer.account("user0001").password_hash = made
    found, renewed = dearer.check_password("user0001", "piswarm")
    assert found.name == "user0001"
    assert "m=64,t=2" in renewed


def test_a_token_expires_even_when_it_was_verified_before(authority: Authority, clock: Clock) -> None:
    request = request_with(signed_in(authority, "user0001"))
    clock.now += 59.9
    assert authority.caller(request).name == "user0001"
    clock.now += 0.1
    assert status_of(authority, request) == 401


def test_a_token_is_refused_once_its_family_is_revoked_its_account_locked_or_its_role_changed(
    authority: Authority, clock: Clock
) -> None:
    """A token issued later is good again."""
    first, second = (request_with(signed_in(authority, "user0001", family)) for family in ("a", "b"))
    authority.revocations.add("a", clock.now + 60, clock.now)
    assert status_of(authority, first) == 401
    assert authority.caller(second).family == "b"
    account = authority.account("user0001")
    account.locked = True
    assert status_of(authority, second) == 401
    account.locked, account.tokens_since = False, clock.now
    assert status_of(authority, second) == 401
    clock.now += 0.01
    assert authority.caller(request_with(signed_in(authority, "user0001"))).name == "user0001"


def test_a_refresh_token_is_no_access_token_nor_the_reverse(authority: Authority) -> None:
    account, _ = authority.check_password("user0001", "piswarm")
    issued = authority.issue(account, "f", "r")
    assert status_of(authority, request_with(issued.refresh_token)) == 401
    with pytest.raises(ApiError, match="invalid token"):
        authority.refresh_claims(issued.token)
    claims, found = authority.refresh_claims(issued.refresh_token)
    assert (claims.sub, claims.fam, claims.jti, found) == ("user0001", "f", "r", account)


def test_tokens_of_another_key_another_process_or_no_algorithm_are_refused(authority: Authority) -> None:
    claims = msgspec.to_builtins(AccessClaims("admin01", Role.ADMIN, 0, 2_000_000_000, "j", "f"))
    forged = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(bytes(32)))
    _, payload, signature = signed_in(authority, "admin01").split(".")
    unsigned = [f"{base64_of(header)}.{payload}." for header in ({"alg": "none"}, {"alg": "None"}, {})]
    relabelled = [f"{base64_of(header)}.{payload}.{signature}" for header in ({"alg": "none"}, {"alg": "HS512"})]
    foreign = signed_in(Authority("piswarm"), "admin01")
    for token in (forged, *unsigned, *relabelled, foreign):
        assert status_of(authority, request_with(token)) == 401


def test_a_signature_under_the_right_key_with_wrong_claims_is_refused(authority: Authority) -> None:
    good = msgspec.to_builtins(AccessClaims("user0001", Role.USER, 1, 2**40, "j", "f"))
    sign = authority._signer._key
    assert authority.caller(request_with(jwt.encode({"alg": "HS256"}, good, sign))).name == "user0001"
    wrong = [
        {},
        {**good, "sub": "nobody"},
        {**good, "role": "root"},
        {**good, "sub": 1},
        {**good, "exp": 9},
        {**good, "use": "refresh"},
        {name: value for name, value in good.items() if name != "use"},
        msgspec.to_builtins(RefreshClaims("user0001", 1, 2**40, "j", "f")),
    ]
    for claims in wrong:
        assert status_of(authority, request_with(jwt.encode({"alg": "HS256"}, claims, sign))) == 401, claims


def test_a_missing_header_another_scheme_and_an_endless_token_are_refused(authority: Authority) -> None:
    token = signed_in(authority, "user0001")
    assert authority.caller(request_with(token, "bearer")).name == "user0001"
    assert status_of(authority, request_with(token, "Basic")) == 401
    assert status_of(authority, request_with("x" * 5000)) == 401
    assert status_of(authority, request_of([])) == 401


AUTHORITY = Authority("piswarm")
GENUINE = signed_in(AUTHORITY, "user0001").encode()


@given(st.binary(max_size=200) | st.tuples(st.integers(0, len(GENUINE) - 1), st.binary(max_size=3)))
def test_no_garbage_is_anything_but_refused(garbage: bytes | tuple[int, bytes]) -> None:
    """Neither random bytes nor a genuine token with some bytes replaced raise anything but a 401, or pass as another."""
    if isinstance(garbage, tuple):
        at, piece = garbage
        garbage = GENUINE[:at] + piece + GENUINE[at + len(piece) :]
    try:
        outcome: int | str = AUTHORITY.caller(request_with(garbage)).name
    except ApiError as error:
        outcome = error.status
    assert outcome in {401, "user0001"}
