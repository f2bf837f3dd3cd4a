"""The handlers under /auth."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from master.target.api import errors
from master.target.api.domain import Domain
from master.target.api.endpoint import ANYBODY, Call, Endpoint
from master.target.auth.authority import Authority
from master.target.auth.messages import Login, Me, Token


class AuthApi(Domain):
    """Sign-in, and who one is."""

    def __init__(self, authority: Authority, pool: Executor) -> None:
        self._authority = authority
        self._pool = pool

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return [
            Endpoint("POST", "/auth/login", self.login, "Sign in", roles=None, body=Login, reply=Token, errors=(401,)),
            Endpoint("GET", "/auth/me", self.me, "Who the token belongs to", roles=ANYBODY, reply=Me),
        ]

    async def login(self, call: Call) -> Token:
        """The hash is made in a thread: it frees the interpreter lock, so other requests go on."""
        wanted: Login = call.body
        loop = asyncio.get_running_loop()
        account = await loop.run_in_executor(
            self._pool, self._authority.check_password, wanted.username, wanted.password
        )
        if account is None:
            raise errors.unauthorized("wrong username or password")
        return self._authority.issue(account)

    async def me(self, call: Call) -> Me:
        """What the token claims."""
        return Me(call.caller.name, call.caller.role, call.caller.expires_at)
