"""Accounts and tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.requests import Request

from master.target.api.caller import Role
from master.target.api.errors import ApiError
from master.target.auth.authority import Authority


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def request_with(token: str | bytes, scheme: str = "Bearer") -> Request:
    token = token if isinstance(token, bytes) else token.encode()
    return request_of([(b"authorization", scheme.encode() + b" " + token)])


def request_of(headers: list[tuple[bytes, bytes]]) -> Request:
    return Request({"type": "http", "headers": headers})


def status_of(authority: Authority, request: Request, *roles: Role) -> int:
    with pytest.raises(ApiError) as caught:
        authority.caller(request, roles)
    return caught.value.status


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authority(clock: Clock) -> Authority:
    return Authority("piswarm", lifetime_s=60, clock=clock)


def test_a_token_names_its_account_and_role(authority: Authority) -> None:
    for name, role in [
        ("user0001", Role.USER),
        ("user2000", Role.USER),
        ("admin20", Role.ADMIN),
        ("node1000", Role.NODE),
    ]:
        caller = authority.caller(request_with(authority.issue(authority.check_password(name, "piswarm")).token))
        assert (caller.name, caller.role, caller.is_admin) == (name, role, role is Role.ADMIN)


@pytest.mark.parametrize(
    ("name", "password"),
    [("user0001", "wrong"), ("user0000", "piswarm"), ("user2001", "piswarm"), ("", "piswarm"), ("user1", "piswarm")],
)
def test_who_may_not_sign_in(authority: Authority, name: str, password: str) -> None:
    for _ in range(2):
        assert authority.check_password(name, password) is None


def test_the_second_sign_in_is_checked_against_the_hash_of_the_first(authority: Authority) -> None:
    account = authority.check_password("user0001", "piswarm")
    assert account.password_hash is not None
    assert authority.check_password("user0001", "piswarm") is account
    assert authority.check_password("user0001", "piswarm ") is None
    account.password_hash = bytes(32)
    assert authority.check_password("user0001", "piswarm") is None


def test_a_wrong_password_leaves_no_hash_behind(authority: Authority) -> None:
    authority.check_password("user0002", "wrong")
    assert authority._accounts["user0002"].password_hash is None


def test_equal_passwords_have_different_hashes(authority: Authority) -> None:
    accounts = [authority.check_password(f"user000{digit}", "piswarm") for digit in (1, 2, 3)]
    assert len({account.password_hash for account in accounts}) == 3


def test_a_token_expires_even_when_it_was_verified_before(authority: Authority, clock: Clock) -> None:
    request = request_with(authority.issue(authority.check_password("user0001", "piswarm")).token)
    clock.now += 59.9
    assert authority.caller(request).name == "user0001"
    clock.now += 0.1
    assert status_of(authority, request) == 401


def test_only_the_roles_asked_for_pass(authority: Authority) -> None:
    request = request_with(authority.issue(authority.check_password("user0001", "piswarm")).token)
    assert authority.caller(request, (Role.ADMIN, Role.USER)).role is Role.USER
    assert status_of(authority, request, Role.ADMIN) == 403


def test_tokens_of_another_key_another_process_or_no_algorithm_are_refused(authority: Authority) -> None:
    claims = {"sub": "admin01", "role": "admin", "iat": 0, "exp": 2_000_000_000}
    forged = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(bytes(32)))
    unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbjAxIiwicm9sZSI6ImFkbWluIiwiaWF0IjowLCJleHAiOjIwMDAwMDAwMDB9."
    elsewhere = Authority("piswarm")
    foreign = elsewhere.issue(elsewhere.check_password("admin01", "piswarm")).token
    for token in (forged, unsigned, foreign):
        assert status_of(authority, request_with(token)) == 401


def test_a_signature_under_the_right_key_with_wrong_claims_is_refused(authority: Authority) -> None:
    for claims in (
        {},
        {"sub": "x", "role": "root", "iat": 0, "exp": 2**40},
        {"sub": 1, "role": "user", "iat": 0, "exp": 9},
    ):
        token = jwt.encode({"alg": "HS256"}, claims, authority._key)
        assert status_of(authority, request_with(token)) == 401


def test_a_missing_header_another_scheme_and_an_endless_token_are_refused(authority: Authority) -> None:
    token = authority.issue(authority.check_password("user0001", "piswarm")).token
    assert authority.caller(request_with(token, "bearer")).name == "user0001"
    assert status_of(authority, request_with(token, "Basic")) == 401
    assert status_of(authority, request_with("x" * 5000)) == 401
    assert status_of(authority, request_of([])) == 401


AUTHORITY = Authority("piswarm")
GENUINE = AUTHORITY.issue(AUTHORITY.check_password("user0001", "piswarm")).token.encode()


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
