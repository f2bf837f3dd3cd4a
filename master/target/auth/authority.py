"""Checks passwords, issues tokens and verifies them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.requests import Request

from master.target.api import errors
from master.target.api.caller import Caller, Role
from master.target.auth.accounts import Account, demo_accounts
from master.target.auth.messages import Token

TOKEN_LIFETIME_S = 3600
_ALGORITHM = "HS256"
_MAX_TOKEN_CHARACTERS = 1024
# scrypt with N = 2**8, r = 8 takes 0.8 ms. A real gateway takes 50 ms and more; this one has to bear 500 sign-ins a second
# on one core, so that it is the generator that is measured.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**8, 8, 1


class Authority:
    """Checks passwords, issues tokens and verifies them. Its signing key is made here and never leaves the process."""

    def __init__(
        self, password: str, *, lifetime_s: int = TOKEN_LIFETIME_S, clock: Callable[[], float] = time.time
    ) -> None:
        self._accounts = {account.name: account for account in demo_accounts()}
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

    def caller(self, request: Request, roles: Sequence[Role] = ()) -> Caller:
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
