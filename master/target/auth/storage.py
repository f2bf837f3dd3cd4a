"""Accounts and the signing key in the database."""

from __future__ import annotations

from master.target.api.caller import Role
from master.target.auth.accounts import Account
from master.target.database.database import Database

# A row only for accounts that have signed in or were changed. `auth_secrets` has values in hexadecimal or as they are.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, locked INTEGER NOT NULL, password_hash TEXT, tokens_since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS auth_secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_ACCOUNTS = "SELECT name, role, locked, password_hash, tokens_since FROM accounts"
_PUT_ACCOUNT = (
    "INSERT INTO accounts (name, role, locked, password_hash, tokens_since) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET role = excluded.role, locked = excluded.locked,"
    " password_hash = excluded.password_hash, tokens_since = excluded.tokens_since"
)
_FORGET_HASHES = "UPDATE accounts SET password_hash = NULL"
_SECRET = "SELECT value FROM auth_secrets WHERE name = ?"  # noqa: S105  # SQL
_PUT_SECRET = (
    "INSERT INTO auth_secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"  # noqa: S105  # SQL
)


class AuthStorage:
    """What the authority keeps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self) -> None:
        """Create the tables where they are missing."""
        await self._database.create(_SCHEMA)

    async def accounts(self) -> list[Account]:
        """The accounts that were put."""
        rows = await self._database.fetch_all(_ACCOUNTS)
        return [Account(name, Role(role), bool(locked), *rest) for name, role, locked, *rest in rows]

    async def put_account(self, account: Account) -> None:
        """Keep an account as it is now."""
        row = (account.name, account.role.value, int(account.locked), account.password_hash, account.tokens_since)
        await self._database.execute(_PUT_ACCOUNT, *row)

    async def forget_hashes(self) -> None:
        """Let every account's next right password make its hash anew."""
        await self._database.execute(_FORGET_HASHES)

    async def secret(self, name: str) -> str | None:
        """A secret that was put, or None."""
        row = await self._database.fetch_one(_SECRET, name)
        return None if row is None else str(row[0])

    async def put_secret(self, name: str, value: str) -> None:
        """Keep a secret."""
        await self._database.execute(_PUT_SECRET, name, value)
