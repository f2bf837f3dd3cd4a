"""Sign-in, refresh and lock-out on a database, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from master.target.api.caller import Role
from master.target.api.errors import ApiError
from master.target.auth.audit import AuditLog
from master.target.auth.authority import Authority, AuthSettings
from master.target.auth.lockout import LockoutRules
from master.target.auth.management import AccountManager
from master.target.auth.sign_in import SignIn
from master.target.auth.state.database_state import DatabaseState
from master.target.auth.storage import AuthStorage
from master.target.auth.tokens import AccessClaims
from master.target.database.sqlite import SqliteDatabase

ADDRESS = "192.0.2.1"
SETTINGS = AuthSettings(token_lifetime_s=60, refresh_lifetime_s=600, lockout=LockoutRules(failures=3, lock_s=30))


class Platform:
    """All that sign-in is made of, on one database."""

    def __init__(
        self, database: SqliteDatabase, pool: ThreadPoolExecutor, password: str, settings: AuthSettings
    ) -> None:
        self.now = 1_000_000.0
        self.database = database
        self.authority = Authority(password, settings, clock=self.clock)
        storage, state = AuthStorage(database), DatabaseState(database)
        self.audit = AuditLog(database, clock=self.clock, max_entries=256)
        self.accounts = AccountManager(self.authority, storage, state, clock=self.clock)
        self.sign_in = SignIn(self.authority, storage, state, self.audit, pool, clock=self.clock)

    def clock(self) -> float:
        return self.now

    async def status_of(self, name: str, password: str = "piswarm", address: str = ADDRESS) -> int:
        try:
            await self.sign_in.sign_in(name, password, address)
        except ApiError as error:
            return error.status
        return 200

    async def refresh_status(self, token: str) -> int:
        try:
            await self.sign_in.refresh(token)
        except ApiError as error:
            return error.status
        return 200

    def is_good(self, token: str) -> bool:
        """Whether an access token is."""
        claims = self.authority._signer.read(token, AccessClaims)
        try:
            self.authority._require_good(claims.sub, claims.iat, claims.exp, claims.fam)
        except ApiError:
            return False
        return True


def on_platform(
    path: Path,
    work: Callable[[Platform], Awaitable[None]],
    password: str = "piswarm",
    settings: AuthSettings = SETTINGS,
) -> None:
    """Start the platform on the database at `path`, and do the work there."""

    async def run() -> None:
        database = SqliteDatabase(path / "target.db")
        with ThreadPoolExecutor(2) as pool:
            platform = Platform(database, pool, password, settings)
            await platform.sign_in.start()
            await work(platform)
        await database.close()

    asyncio.run(run())


def test_a_name_is_locked_after_failures_and_the_right_password_is_refused_like_a_wrong_one(tmp_path: Path) -> None:
    async def work(platform: Platform) -> None:
        for name in ("user0001", "nobody"):
            assert [await platform.status_of(name, "wrong") for _ in range(5)] == [401, 401, 401, 429, 429]
            assert await platform.status_of(name) == 429
        assert await platform.status_of("user0002") == 200
        platform.now += 29.5
        with pytest.raises(ApiError) as caught:
            await platform.sign_in.sign_in("user0001", "piswarm", ADDRESS)
        assert caught.value.headers == {"retry-after": "1"}
        platform.now += 0.5
        assert await platform.status_of("user0001") == 200

    on_platform(tmp_path, work)


def test_many_guesses_at_once_are_not_more_than_one_after_another(tmp_path: Path) -> None:
    async def work(platform: Platform) -> None:
        guesses = [platform.status_of("user0001", "wrong") for _ in range(50)]
        assert sorted(await asyncio.gather(*guesses)) == [401] * 3 + [429] * 47

    on_platform(tmp_path, work)


def test_success_never_locks_and_begins_anew(tmp_path: Path) -> None:
    """Many users of one account at once, with some wrong passwords between."""

    async def work(platform: Platform) -> None:
        assert set(await asyncio.gather(*(platform.status_of("user0001") for _ in range(100)))) == {200}
        for _ in range(5):
            assert [await platform.status_of("user0001", "wrong") for _ in range(2)] == [401, 401]
            assert await platform.status_of("user0001") == 200

    on_platform(tmp_path, work)


def test_lock_out_can_be_turned_off(tmp_path: Path) -> None:
    async def work(platform: Platform) -> None:
        assert {await platform.status_of("user0001", "wrong") for _ in range(50)} == {401}

    on_platform(tmp_path, work, settings=AuthSettings(lockout=LockoutRules(failures=0)))


def test_one_password_tried_with_many_names_locks_the_address(tmp_path: Path) -> None:
    """Whatever the names, wrong passwords from one address lock it, for right ones too; other addresses go on."""

    async def work(platform: Platform) -> None:
        tried = await asyncio.gather(*(platform.status_of(f"nobody-{number}", "summer") for number in range(20)))
        assert sorted(tried) == [401] * 5 + [429] * 15
        assert await platform.status_of("user0001") == 429
        assert await platform.status_of("user0001", address="192.0.2.2") == 200
        platform.now += 30
        assert await platform.status_of("user0001") == 200
        details = [entry.detail for entry in await platform.audit.page("user0001", None, 10)]
        assert details == ["refused: the address is locked after failed sign-ins"]

    on_platform(tmp_path, work, settings=AuthSettings(address_lockout=LockoutRules(failures=5, lock_s=30)))


def test_success_never_locks_an_address_and_takes_no_failure_back(tmp_path: Path) -> None:
    """A load generator signs in from one address as often as it likes; who has an account can't try others' with it."""

    async def work(platform: Platform) -> None:
        for number in range(4):
            assert await platform.status_of(f"nobody-{number}", "summer") == 401
            assert [await platform.status_of("user0001") for _ in range(10)] == [200] * 10
        assert await platform.status_of("nobody", "summer") == 401
        assert await platform.status_of("user0001") == 429

    on_platform(tmp_path, work, settings=AuthSettings(address_lockout=LockoutRules(failures=5, lock_s=30)))


def test_a_refresh_token_is_good_once_and_its_second_use_ends_the_family(tmp_path: Path) -> None:
    async def work(platform: Platform) -> None:
        other = await platform.sign_in.sign_in("user0001", "piswarm", ADDRESS)
        first = await platform.sign_in.sign_in("user0001", "piswarm", ADDRESS)
        second = await platform.sign_in.refresh(first.refresh_token)
        third = await platform.sign_in.refresh(second.refresh_token)
        assert platform.is_good(third.token)
        assert await platform.refresh_status(first.refresh_token) == 401
        for token in (first, second, third):
            assert not platform.is_good(token.token)
            assert await platform.refresh_status(token.refresh_token) == 401
        assert platform.is_good(other.token)
        assert await platform.refresh_status(other.refresh_token) == 200
        (entry,) = await platform.audit.page(None, None, 10)
        assert (entry.account, entry.endpoint, entry.status) == ("user0001", "POST /auth/refresh", 401)

    on_platform(tmp_path, work)


def test_of_two_who_use_a_refresh_token_at_once_at_most_one_gets_a_new_one(tmp_path: Path) -> None:
    async def work(platform: Platform) -> None:
        token = await platform.sign_in.sign_in("user0001", "piswarm", ADDRESS)
        statuses = await asyncio.gather(*(platform.refresh_status(token.refresh_token) for _ in range(8)))
        assert sorted(statuses) == [200] + [401] * 7
        assert not platform.is_good(token.token)

    on_platform(tmp_path, work)


def test_a_refresh_token_expires(tmp_path: Path) -> None:
    async def work(platform: Platform) -> None:
        token = await platform.sign_in.sign_in("user0001", "piswarm", ADDRESS)
        platform.now += 600
        assert await platform.refresh_status(token.refresh_token) == 401

    on_platform(tmp_path, work)


def test_a_restart_signs_nobody_out_and_forgets_no_revocation(tmp_path: Path) -> None:
    tokens = []

    async def before(platform: Platform) -> None:
        tokens.extend([await platform.sign_in.sign_in(name, "piswarm", ADDRESS) for name in ("user0001", "user0002")])
        await platform.sign_in.revoke(platform.authority.refresh_claims(tokens[1].refresh_token)[0].fam)
        assert [await platform.status_of("user0003", "wrong") for _ in range(3)] == [401] * 3

    async def after(platform: Platform) -> None:
        assert [platform.is_good(token.token) for token in tokens] == [True, False]
        assert [await platform.refresh_status(token.refresh_token) for token in tokens] == [200, 401]
        assert await platform.status_of("user0003") == 429

    on_platform(tmp_path, before)
    on_platform(tmp_path, after)


def test_the_hash_of_a_password_is_kept_until_the_password_is_another(tmp_path: Path) -> None:
    hashes = []

    async def sign_in(platform: Platform) -> None:
        hashes.append(platform.authority.account("user0001").password_hash)
        assert await platform.status_of("user0001", "piswarm", ADDRESS) == 200
        hashes.append(platform.authority.account("user0001").password_hash)

    async def changed(platform: Platform) -> None:
        assert platform.authority.account("user0001").password_hash is None
        assert await platform.status_of("user0001", "piswarm", ADDRESS) == 401
        assert await platform.status_of("user0001", "another") == 200

    on_platform(tmp_path, sign_in)
    on_platform(tmp_path, sign_in)
    assert hashes[0] is None
    assert hashes[1].startswith("$argon2id$")
    assert hashes[1:] == [hashes[1]] * 3
    on_platform(tmp_path, changed, password="another")


def test_a_locked_account_and_another_role_are_kept_and_end_all_tokens(tmp_path: Path) -> None:
    async def change(platform: Platform) -> None:
        tokens = [await platform.sign_in.sign_in(name, "piswarm", ADDRESS) for name in ("user0001", "user0002")]
        await platform.accounts.set_locked("user0001", locked=True)
        await platform.accounts.set_role("user0002", Role.ADMIN)
        for token in tokens:
            assert not platform.is_good(token.token)
            assert await platform.refresh_status(token.refresh_token) == 401
        assert await platform.status_of("user0001") == 403
        assert await platform.status_of("user0001", "wrong") == 401

    async def look(platform: Platform) -> None:
        assert await platform.status_of("user0001") == 403
        assert (await platform.sign_in.sign_in("user0002", "piswarm", ADDRESS)).role is Role.ADMIN
        await platform.accounts.set_locked("user0001", locked=False)
        assert await platform.status_of("user0001") == 200

    on_platform(tmp_path, change)
    on_platform(tmp_path, look)


def test_unlocking_an_account_forgets_its_failed_sign_ins(tmp_path: Path) -> None:
    async def work(platform: Platform) -> None:
        assert [await platform.status_of("user0001", "wrong") for _ in range(3)] == [401] * 3
        assert await platform.accounts.refused_for_s("user0001") == 30
        await platform.accounts.set_locked("user0001", locked=False)
        assert await platform.status_of("user0001") == 200

    on_platform(tmp_path, work)


def test_the_audit_log_is_bounded_and_read_in_pages(tmp_path: Path) -> None:
    async def work(platform: Platform) -> None:
        for number in range(1024):
            await platform.audit.note(f"user{number % 2}", "GET /", "/" * 500, 403)
        assert await platform.database.fetch_one("SELECT COUNT(*) FROM audit") == (256,)
        newest = await platform.audit.page(None, None, 2)
        assert [entry.account for entry in newest] == ["user1", "user0"]
        assert len(newest[0].path) == 200
        older = await platform.audit.page("user1", newest[0].serial, 2)
        assert [entry.serial for entry in older] == [newest[0].serial - 2, newest[0].serial - 4]

    on_platform(tmp_path, work)
