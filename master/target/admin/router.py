"""The handlers under /admin."""

from __future__ import annotations

from starlette.responses import Response

from master.target.admin.messages import (
    AccountInfo,
    AccountPage,
    AccountQuery,
    AuditPage,
    AuditQuery,
    ListedAccount,
    RoleChange,
    StatisticsQuery,
)
from master.target.admin.statistics import PlatformStatistics
from master.target.api import errors
from master.target.api.bodies import JSON
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.auth.accounts import Account
from master.target.auth.audit import AuditLog
from master.target.auth.management import AccountManager

_ADMIN = (Role.ADMIN,)


class AdminApi(Domain):
    """What administrators see of all domains, and what they do to accounts."""

    def __init__(self, statistics: PlatformStatistics, accounts: AccountManager, audit: AuditLog) -> None:
        self._statistics = statistics
        self._accounts = accounts
        self._audit = audit

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        account = "/admin/accounts/{name}"
        return [
            Endpoint(
                "GET",
                "/admin/statistics",
                self.statistics,
                "Figures of all domains",
                roles=_ADMIN,
                query=StatisticsQuery,
                reply=self._statistics.reply,
            ),
            Endpoint(
                "GET",
                "/admin/audit",
                self.audit,
                "Who did what, newest first",
                roles=_ADMIN,
                query=AuditQuery,
                reply=AuditPage,
            ),
            Endpoint(
                "GET",
                "/admin/accounts",
                self.list_accounts,
                "Accounts by name",
                roles=_ADMIN,
                query=AccountQuery,
                reply=AccountPage,
            ),
            Endpoint("GET", account, self.read_account, "One account", roles=_ADMIN, reply=AccountInfo),
            Endpoint(
                "POST",
                f"{account}/lock",
                self.lock,
                "End an account's tokens, and let nobody sign in",
                roles=_ADMIN,
                reply=AccountInfo,
                errors=(409,),
                audited=True,
            ),
            Endpoint(
                "POST",
                f"{account}/unlock",
                self.unlock,
                "Undo a lock, also that of failed sign-ins",
                roles=_ADMIN,
                reply=AccountInfo,
                errors=(409,),
                audited=True,
            ),
            Endpoint(
                "PUT",
                f"{account}/role",
                self.set_role,
                "Give an account another role, and end its tokens",
                roles=_ADMIN,
                body=RoleChange,
                reply=AccountInfo,
                errors=(409,),
                audited=True,
            ),
        ]

    async def statistics(self, call: Call) -> Response:
        """As fresh as is asked for."""
        query: StatisticsQuery = call.query
        return Response(await self._statistics.read(query.max_age_s), media_type=JSON)

    async def audit(self, call: Call) -> AuditPage:
        """In pages."""
        query: AuditQuery = call.query
        found = await self._audit.page(query.account, query.before, query.limit)
        return AuditPage(found, found[-1].serial if len(found) == query.limit else None)

    async def list_accounts(self, call: Call) -> AccountPage:
        """In pages."""
        query: AccountQuery = call.query
        found = self._accounts.accounts(query.after, query.limit)
        listed = [ListedAccount(account.name, account.role, account.locked) for account in found]
        return AccountPage(listed, found[-1].name if len(found) == query.limit else None)

    async def read_account(self, call: Call) -> AccountInfo:
        """How it stands."""
        return await self._info(self._accounts.find(call.path["name"]))

    async def lock(self, call: Call) -> AccountInfo:
        """Nobody locks itself out."""
        return await self._info(await self._accounts.set_locked(_other(call), locked=True))

    async def unlock(self, call: Call) -> AccountInfo:
        """Let somebody sign in again."""
        return await self._info(await self._accounts.set_locked(_other(call), locked=False))

    async def set_role(self, call: Call) -> AccountInfo:
        """Nobody takes the role from itself: an administrator is left."""
        wanted: RoleChange = call.body
        return await self._info(await self._accounts.set_role(_other(call), wanted.role))

    async def _info(self, account: Account) -> AccountInfo:
        refused_for_s = round(await self._accounts.refused_for_s(account.name), 3)
        return AccountInfo(account.name, account.role, account.locked, refused_for_s)


def _other(call: Call) -> str:
    name = call.path["name"]
    if name == call.caller.name:
        raise errors.conflict("an account can't change itself")
    return name
