"""What is sent and answered to administrators. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from master.target.api.caller import Role
from master.target.api.messages import PageLimit
from master.target.auth.audit import AuditEntry

_AccountName = Annotated[str, Meta(max_length=64)]


class StatisticsQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /admin/statistics: how old the answer may be, in seconds."""

    max_age_s: Annotated[float, Meta(ge=0, le=60)] = 0.0


class ListedAccount(Struct):
    """An account. While it is `locked`, which an administrator does, nobody signs in."""

    name: str
    role: Role
    locked: bool


class AccountInfo(ListedAccount):
    """An account, and for how long sign-in is yet refused after failed ones, in seconds."""

    refused_for_s: float


class AccountPage(Struct):
    """Accounts in the order of their names. `next` is the `after` of the next page, or null on the last one."""

    accounts: list[ListedAccount]
    next: str | None


class AccountQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /admin/accounts."""

    limit: PageLimit = 20
    after: _AccountName = ""


class RoleChange(Struct, forbid_unknown_fields=True):
    """Body of PUT /admin/accounts/[name]/role."""

    role: Role


class AuditPage(Struct):
    """Entries of the audit log, newest first. `next` is the `before` of the next page, or null on the last one."""

    entries: list[AuditEntry]
    next: int | None


class AuditQuery(Struct, forbid_unknown_fields=True):
    """Query of GET /admin/audit; `account` has its own entries alone."""

    limit: PageLimit = 20
    before: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    account: _AccountName | None = None
