"""Knows the accounts, checks their passwords, issues tokens, and tells whose a token is."""

from __future__ import annotations

import hmac
import secrets
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.requests import Request

from master.target.api import errors
from master.target.api.caller import Caller
from master.target.auth.accounts import Account, demo_accounts
from master.target.auth.lockout import LockoutRules
from master.target.auth.messages import Token
from master.target.auth.passwords import HashCost, Passwords
from master.target.auth.revocations import Revocations
from master.target.auth.storage import AuthStorage
from master.target.auth.tokens import KEY_BYTES, AccessClaims, InvalidTokenError, RefreshClaims, TokenSigner

_SIGNING_KEY, _PASSWORD_HASH = "signing key", "password hash"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """What can be set about sign-in. Lifetimes in seconds."""

    token_lifetime_s: int = 3600
    refresh_lifetime_s: int = 86_400
    hash_cost: HashCost = field(default_factory=HashCost)
    lockout: LockoutRules = field(default_factory=LockoutRules)
    """Of names."""
    address_lockout: LockoutRules = field(default_factory=lambda: LockoutRules(failures=50))
    """Of the addresses that sign-ins come from."""


class Authority:
    """Who may do what. What every request needs is in memory; `load` takes it up from the database, changes go there first."""

    def __init__(
        self, password: str, settings: AuthSettings | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`password` is that of all accounts. Until `load`, the signing key is one made here."""
        self.settings = settings or AuthSettings()
        self.revocations = Revocations()
        self._accounts = {account.name: account for account in demo_accounts()}
        self._names = sorted(self._accounts)
        self._password = password
        self._passwords = Passwords(self.settings.hash_cost)
        self._clock = clock
        self._use_key(secrets.token_bytes(KEY_BYTES))

    async def load(self, storage: AuthStorage, revoked: Iterable[tuple[str, float]]) -> None:
        """Take up the signing key, the accounts and the revoked families that an earlier process has left.

        If the accounts' password is another one now, their hashes are forgotten.
        """
        key = await storage.secret(_SIGNING_KEY)
        if key is None:
            key = secrets.token_hex(KEY_BYTES)
            await storage.put_secret(_SIGNING_KEY, key)
        self._use_key(bytes.fromhex(key))
        if not self._passwords.matches(self._password, await storage.secret(_PASSWORD_HASH)):
            await storage.forget_hashes()
            await storage.put_secret(_PASSWORD_HASH, self._passwords.hash(self._password))
        self._accounts |= {account.name: account for account in await storage.accounts()}
        self._names = sorted(self._accounts)
        for family, until in revoked:
            self.revocations.add(family, until, self._clock())

    def account(self, name: str) -> Account | None:
        """The account of that name."""
        return self._accounts.get(name)

    def accounts(self, after: str, limit: int) -> list[Account]:
        """Up to `limit` accounts whose names come after `after`, by name."""
        begin = bisect_right(self._names, after)
        return [self._accounts[name] for name in self._names[begin : begin + limit]]

    def count_accounts(self) -> tuple[int, int]:
        """All accounts, and those that are locked."""
        return len(self._accounts), sum(account.locked for account in self._accounts.values())

    def check_password(self, name: str, password: str) -> tuple[Account | None, str | None]:
        """The account, if the password is its own, and then a new hash of it if one is to be kept.

        Costs exactly one hash, whoever asks, so that time tells nothing; but for the first sign-in after the cost of hashes has
        been changed. May be called from any thread.
        """
        account = self._accounts.get(name)
        if account is None or account.password_hash is not None:
            known = None if account is None else account.password_hash
            if not self._passwords.matches(password, known):
                return None, None
            assert known is not None
            return account, self._passwords.hash(password) if self._passwords.is_outdated(known) else None
        made = self._passwords.hash(password)
        right = hmac.compare_digest(password.encode(), self._password.encode())
        return (account, made) if right else (None, None)

    def issue(self, account: Account, family: str, refresh_id: str) -> Token:
        """A pair of tokens for `account`, good from now on. They belong to `family`."""
        now, settings = self._clock(), self.settings
        access = AccessClaims(
            account.name, account.role, now, int(now) + settings.token_lifetime_s, secrets.token_urlsafe(12), family
        )
        refresh = RefreshClaims(account.name, now, int(now) + settings.refresh_lifetime_s, refresh_id, family)
        return Token(
            self._signer.sign(access),
            "Bearer",
            settings.token_lifetime_s,
            account.role,
            self._signer.sign(refresh),
            settings.refresh_lifetime_s,
        )

    def caller(self, request: Request) -> Caller:
        """Who sends `request`. Raises ApiError 401 without a token that is good."""
        header = request.headers.get("authorization")
        if header is None:
            raise errors.unauthorized("sign in first: no Authorization header")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise errors.unauthorized("Authorization must be a Bearer token")
        caller = self._verified(token)
        self._require_good(caller.name, caller.issued_at, caller.expires_at, caller.family)
        return caller

    def refresh_claims(self, token: str) -> tuple[RefreshClaims, Account]:
        """What a refresh token says, and whose it is. Raises ApiError 401 unless it is good; whether it was used is not looked at."""
        try:
            claims = self._signer.read(token, RefreshClaims)
        except InvalidTokenError:
            raise errors.unauthorized("invalid token") from None
        return claims, self._require_good(claims.sub, claims.iat, claims.exp, claims.fam)

    def _require_good(self, name: str, issued_at: float, expires_at: float, family: str) -> Account:
        if self._clock() >= expires_at:
            raise errors.unauthorized("token expired")
        account = self._accounts.get(name)
        if account is None or account.locked or issued_at <= account.tokens_since or family in self.revocations:
            raise errors.unauthorized("token revoked")
        return account

    def _use_key(self, key: bytes) -> None:
        self._signer = TokenSigner(key)
        # Verifying a signature costs as much as a whole request. Only the signature's verdict is remembered; what can change
        # is looked at each time. 8192 tokens are more than the demo accounts hold at once.
        self._verified = lru_cache(maxsize=8192)(self._verify)

    def _verify(self, token: str) -> Caller:
        try:
            claims = self._signer.read(token, AccessClaims)
        except InvalidTokenError:
            raise errors.unauthorized("invalid token") from None
        return Caller(claims.sub, claims.role, int(claims.exp), claims.iat, claims.fam)
