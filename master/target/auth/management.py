"""What administrators do to accounts."""

from __future__ import annotations

import time
from collections.abc import Callable

from master.target.api import errors
from master.target.api.caller import Role
from master.target.auth.accounts import Account
from master.target.auth.authority import Authority
from master.target.auth.lockout import LockoutRules
from master.target.auth.state.security_state import SecurityState
from master.target.auth.storage import AuthStorage


class AccountManager:
    """Locks and unlocks accounts and gives them roles. Either ends all their tokens."""

    def __init__(
        self,
        authority: Authority,
        storage: AuthStorage,
        state: SecurityState,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._authority = authority
        self._storage = storage
        self._state = state
        self._clock = clock
        self._rules: LockoutRules = authority.settings.lockout

    def accounts(self, after: str, limit: int) -> list[Account]:
        """Up to `limit` accounts whose names come after `after`, by name."""
        return self._authority.accounts(after, limit)

    def find(self, name: str) -> Account:
        """The account. Raises ApiError 404."""
        account = self._authority.account(name)
        if account is None:
            raise errors.not_found("account")
        return account

    async def refused_for_s(self, name: str) -> float:
        """For how long sign-in is yet refused after failed ones."""
        return self._rules.locked_for_s(await self._state.failures(name), self._clock())

    async def set_locked(self, name: str, *, locked: bool) -> Account:
        """Lock an account, or unlock it, which also forgets its failed sign-ins."""
        account = self.find(name)
        await self._change(account, Account(name, account.role, locked, account.password_hash, self._clock()))
        if not locked:
            await self._state.clear_failures(name)
        return account

    async def set_role(self, name: str, role: Role) -> Account:
        """Give an account another role."""
        account = self.find(name)
        await self._change(account, Account(name, role, account.locked, account.password_hash, self._clock()))
        return account

    async def _change(self, account: Account, changed: Account) -> None:
        await self._storage.put_account(changed)
        account.role, account.locked, account.tokens_since = changed.role, changed.locked, changed.tokens_since
