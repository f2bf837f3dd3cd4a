"""Signing in, refreshing, signing out."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from typing import NoReturn

from master.target.api import errors
from master.target.auth.accounts import Account
from master.target.auth.addresses import AddressLockout
from master.target.auth.audit import AuditLog
from master.target.auth.authority import Authority
from master.target.auth.lockout import Failures
from master.target.auth.messages import AuthTotals, Token
from master.target.auth.state.security_state import Rotation, SecurityState
from master.target.auth.storage import AuthStorage

LOGIN, REFRESH = "/auth/login", "/auth/refresh"


class SignIn:
    """What becomes of passwords and refresh tokens that are sent.

    Theory of operation: each sign-in begins a family of tokens. The family has one refresh token that is good; using it puts
    another in its place. If one is used that was good before, two parties hold it, and none can tell who of them stole it: the
    whole family is revoked, its access tokens too.
    """

    def __init__(
        self,
        authority: Authority,
        storage: AuthStorage,
        state: SecurityState,
        audit: AuditLog,
        pool: Executor,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._authority = authority
        self._storage = storage
        self._state = state
        self._audit = audit
        self._pool = pool
        self._clock = clock
        self._rules = authority.settings.lockout
        self._addresses = AddressLockout(authority.settings.address_lockout)
        self._failing = asyncio.Lock()
        self._counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Take up what an earlier process has left."""
        await self._storage.create()
        await self._state.start()
        await self._audit.create()
        await self._authority.load(self._storage, await self._state.revoked(self._clock()))

    async def sign_in(self, name: str, password: str, address: str) -> Token:
        """Tokens for the account of that name, asked for from an IP address.

        Raises ApiError 401; 429 while the name or the address is locked; 403 for an account that is.
        The hash is made in a thread: it frees the interpreter lock, so other requests go on.
        """
        await self._require_unlocked(name, address)
        loop = asyncio.get_running_loop()
        account, new_hash = await loop.run_in_executor(self._pool, self._authority.check_password, name, password)
        # It may have been locked while the hash was made: many guesses at once are not more than one after another.
        if account is None:
            async with self._failing:  # what is read, decided and written here is one step
                await self._note_failure(name, address, await self._require_unlocked(name, address))
            raise errors.unauthorized("wrong username or password")
        if await self._require_unlocked(name, address) is not None:
            await self._state.clear_failures(name)
        if account.locked:
            await self._audit.note(name, f"POST {LOGIN}", LOGIN, 403, "the account is locked")
            raise errors.forbidden("the account is locked")
        if new_hash is not None:
            account.password_hash = new_hash
            await self._storage.put_account(account)
        self._counts["sign_ins"] += 1
        return await self._begin_family(account)

    async def refresh(self, token: str) -> Token:
        """A new pair of tokens for a refresh token that was not used yet. Raises ApiError 401."""
        claims, account = self._authority.refresh_claims(token)
        following = secrets.token_urlsafe(12)
        expires_at = self._clock() + self._authority.settings.refresh_lifetime_s
        rotation = await self._state.rotate(claims.fam, claims.jti, following, expires_at)
        if rotation is Rotation.ROTATED:
            self._counts["refreshes"] += 1
            return self._authority.issue(account, claims.fam, following)
        if rotation is Rotation.REUSED:
            await self.revoke(claims.fam)
            detail = "a refresh token was used again: its tokens are revoked"
            await self._audit.note(account.name, f"POST {REFRESH}", REFRESH, 401, detail)
        raise errors.unauthorized("token revoked")

    async def revoke(self, family: str) -> None:
        """Refuse all tokens of a family from now on."""
        now = self._clock()
        # Until the last access token has expired; its refresh tokens are refused since the family is not known any more.
        until = now + self._authority.settings.token_lifetime_s
        self._authority.revocations.add(family, until, now)
        await self._state.revoke(family, until)

    def totals(self) -> AuthTotals:
        """Accounts, and what became of sign-ins."""
        counts = self._counts
        return AuthTotals(
            *self._authority.count_accounts(),
            counts["sign_ins"],
            counts["failed"],
            counts["locked_out"],
            counts["refreshes"],
            len(self._authority.revocations),
        )

    async def _begin_family(self, account: Account) -> Token:
        family, refresh_id = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
        expires_at = self._clock() + self._authority.settings.refresh_lifetime_s
        await self._state.begin_family(family, refresh_id, expires_at)
        return self._authority.issue(account, family, refresh_id)

    async def _require_unlocked(self, name: str, address: str) -> Failures | None:
        if wait_s := self._addresses.locked_for_s(address, self._clock()):
            await self._refuse(name, wait_s, "refused: the address is locked after failed sign-ins")
        if not self._rules.failures:
            return None
        known = await self._state.failures(name)
        if wait_s := self._rules.locked_for_s(known, self._clock()):
            await self._refuse(name, wait_s, "refused: locked after failed sign-ins")
        return known

    async def _refuse(self, name: str, wait_s: float, detail: str) -> NoReturn:
        self._counts["locked_out"] += 1
        await self._audit.note(name, f"POST {LOGIN}", LOGIN, 429, detail)
        raise errors.too_many_requests("too many failed sign-ins; try again later", math.ceil(wait_s))

    async def _note_failure(self, name: str, address: str, known: Failures | None) -> None:
        now = self._clock()
        self._counts["failed"] += 1
        self._addresses.note_failure(address, now)
        detail = "wrong username or password"
        if self._rules.failures:
            failures = self._rules.after_failure(known, now)
            await self._state.put_failures(name, failures, self._rules.forgotten_at(failures), now)
            if self._rules.locked_for_s(failures, now):
                detail += "; the name is locked"
        await self._audit.note(name, f"POST {LOGIN}", LOGIN, 401, detail)
