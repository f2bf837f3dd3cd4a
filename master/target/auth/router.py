"""The handlers under /auth."""

from __future__ import annotations

from typing import Any, ClassVar

from starlette.responses import Response

from master.target.api.domain import Domain
from master.target.api.endpoint import ANYBODY, Call, Endpoint
from master.target.api.metrics import Gauge
from master.target.auth.messages import AuthTotals, Login, Me, Refresh, Token
from master.target.auth.sign_in import LOGIN, REFRESH, SignIn


class AuthApi(Domain):
    """Sign-in, and who one is."""

    summary_types: ClassVar[dict[str, Any]] = {"auth": AuthTotals}

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        return [
            Endpoint("POST", LOGIN, self.login, "Sign in", roles=None, body=Login, reply=Token, errors=(401, 403, 429)),
            Endpoint(
                "POST",
                REFRESH,
                self.refresh,
                "A new pair of tokens for a refresh token, which is used up",
                roles=None,
                body=Refresh,
                reply=Token,
                errors=(401,),
            ),
            Endpoint(
                "POST", "/auth/logout", self.logout, "Revoke the tokens of this sign-in", status=204, audited=True
            ),
            Endpoint("GET", "/auth/me", self.me, "Who the token belongs to", roles=ANYBODY, reply=Me),
        ]

    async def start(self) -> None:
        """As Domain."""
        await self._sign_in.start()

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        totals = self._sign_in.totals()
        outcomes = {"ok": totals.sign_ins, "failed": totals.failed_sign_ins, "locked_out": totals.locked_out_sign_ins}
        return [
            *(
                Gauge("target_auth_sign_ins", "Sign-ins since the start, by outcome", count, {"outcome": outcome})
                for outcome, count in outcomes.items()
            ),
            Gauge("target_auth_refreshes", "Refresh tokens used since the start", totals.refreshes),
            Gauge("target_auth_locked_accounts", "Accounts locked by an administrator", totals.locked_accounts),
            Gauge("target_auth_revoked_families", "Sign-ins whose tokens are revoked", totals.revoked_families),
        ]

    async def summary(self) -> dict[str, AuthTotals]:
        """As Domain."""
        return {"auth": self._sign_in.totals()}

    async def login(self, call: Call) -> Token:
        """Tokens for a name and its password."""
        wanted: Login = call.body
        client = call.request.client
        return await self._sign_in.sign_in(wanted.username, wanted.password, "" if client is None else client.host)

    async def refresh(self, call: Call) -> Token:
        """Tokens for a refresh token."""
        wanted: Refresh = call.body
        return await self._sign_in.refresh(wanted.refresh_token)

    async def logout(self, call: Call) -> Response:
        """The token of the request and all that go back to the same sign-in are refused from now on."""
        await self._sign_in.revoke(call.caller.family)
        return Response(status_code=204)

    async def me(self, call: Call) -> Me:
        """What the token claims."""
        return Me(call.caller.name, call.caller.role, call.caller.expires_at)
