"""Accounts, sign-in and tokens.

The accounts are a demo's: `user0001` to `user2000`, `admin01` to `admin20` and `node0001` to `node1000`, all with the one
password that the process was given.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import lru_cache

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.requests import Request
from starlette.responses import Response

from . import errors
from .bodies import JsonResponse, read_json
from .messages import Login, Me, Role, Token

TOKEN_LIFETIME_S = 3600
_ALGORITHM = "HS256"
_MAX_TOKEN_CHARACTERS = 1024
# scrypt with N = 2**8, r = 8 takes 0.8 ms. A real gateway takes 50 ms and more; this one has to bear 500 sign-ins a second
# on one core, so that it is the generator that is measured.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**8, 8, 1

_login_decoder = msgspec.json.Decoder(Login)


class Account:
    """Who may sign in. `password_hash` is known from the first sign-in on."""

    __slots__ = ("name", "password_hash", "role", "salt")

    def __init__(self, name: str, role: Role) -> None:
        self.name = name
        self.role = role
        self.salt = secrets.token_bytes(16)
        self.password_hash: bytes | None = None


class Caller(msgspec.Struct, frozen=True, rename={"name": "sub", "expires_at": "exp"}):
    """Who sends a request: what its token claims, once the signature is verified. `expires_at` is in Unix seconds."""

    name: str
    role: Role
    expires_at: int

    @property
    def is_admin(self) -> bool:
        """Whether this is an administrator, who may see and do what belongs to others."""
        return self.role is Role.ADMIN


class Authority:
    """Checks passwords, issues tokens and verifies them. Its signing key is made here and never leaves the process."""

    def __init__(
        self, password: str, *, lifetime_s: int = TOKEN_LIFETIME_S, clock: Callable[[], float] = time.time
    ) -> None:
        self._accounts = {account.name: account for account in _demo_accounts()}
        self._nobody = Account("", Role.USER)
        self._password = password.encode()
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._key = OctKey.import_key(secrets.token_bytes(32))
        # Verifying a signature costs 80 µs, about two whole requests. Only the signature's verdict is remembered; expiry is
        # looked at each time. 8192 tokens are more than the demo accounts hold at once.
        self._verified = lru_cache(maxsize=8192)(self._verify)

    def check_password(self, username: str, password: str) -> Account | None:
        """The account, if the password is its own. Costs exactly one hash, whoever asks, so that time tells nothing.

        An account's hash is not made before it first signs in (3000 at start would take seconds): that time, the hash
        just made is its own if the password is the one that all have. May be called from any thread.
        """
        account = self._accounts.get(username, self._nobody)
        given = password.encode()
        made = hashlib.scrypt(given, salt=account.salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, dklen=32)
        if account.password_hash is None:
            right = hmac.compare_digest(given, self._password) and account is not self._nobody
            if right:
                account.password_hash = made
        else:
            right = hmac.compare_digest(made, account.password_hash)
        return account if right else None

    def issue(self, account: Account) -> Token:
        """A token for `account`, good from now on."""
        now = int(self._clock())
        claims = {"sub": account.name, "role": account.role.value, "iat": now, "exp": now + self._lifetime_s}
        token = jwt.encode({"alg": _ALGORITHM}, claims, self._key)
        return Token(token, "Bearer", self._lifetime_s, account.role)

    def caller(self, request: Request, *roles: Role) -> Caller:
        """Who sends `request`. Raises ApiError 401 without a valid token, 403 unless its role is among `roles` (if any)."""
        header = request.headers.get("authorization")
        if header is None:
            raise errors.unauthorized("sign in first: no Authorization header")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or len(token) > _MAX_TOKEN_CHARACTERS:
            raise errors.unauthorized("Authorization must be a Bearer token")
        caller = self._verified(token)
        if self._clock() >= caller.expires_at:
            raise errors.unauthorized("token expired")
        if roles and caller.role not in roles:
            raise errors.forbidden(f"role {caller.role.value} may not do this")
        return caller

    def _verify(self, token: str) -> Caller:
        try:
            decoded = jwt.decode(token, self._key, algorithms=[_ALGORITHM])
            return msgspec.convert(decoded.claims, Caller)
        except (JoseError, ValueError, TypeError, msgspec.ValidationError):
            raise errors.unauthorized("invalid token") from None


class AuthApi:
    """The handlers under /auth."""

    def __init__(self, authority: Authority, pool: Executor) -> None:
        self._authority = authority
        self._pool = pool

    async def login(self, request: Request) -> Response:
        """POST /auth/login. The hash is made in a thread: it frees the interpreter lock, so other requests go on."""
        wanted = await read_json(request, _login_decoder)
        loop = asyncio.get_running_loop()
        account = await loop.run_in_executor(
            self._pool, self._authority.check_password, wanted.username, wanted.password
        )
        if account is None:
            raise errors.unauthorized("wrong username or password")
        return JsonResponse(self._authority.issue(account))

    async def me(self, request: Request) -> Response:
        """GET /auth/me."""
        caller = self._authority.caller(request)
        return JsonResponse(Me(caller.name, caller.role, caller.expires_at))


def _demo_accounts() -> Iterator[Account]:
    for number in range(1, 2001):
        yield Account(f"user{number:04d}", Role.USER)
    for number in range(1, 21):
        yield Account(f"admin{number:02d}", Role.ADMIN)
    for number in range(1, 1001):
        yield Account(f"node{number:04d}", Role.NODE)
