"""What is sent and answered about sign-in. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from master.target.api.caller import Role
from master.target.auth.tokens import MAX_TOKEN_CHARACTERS


class Login(Struct, forbid_unknown_fields=True):
    """Body of POST /auth/login."""

    username: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=256)]


class Refresh(Struct, forbid_unknown_fields=True):
    """Body of POST /auth/refresh."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN_CHARACTERS)]


class Token(Struct):
    """A sign-in that worked. The token is good for `expires_in_s` seconds; the refresh token for one new pair, and so long."""

    token: str
    token_type: str
    expires_in_s: int
    role: Role
    refresh_token: str
    refresh_expires_in_s: int


class Me(Struct):
    """Who the token belongs to. `expires_at` is in Unix seconds."""

    username: str
    role: Role
    expires_at: int


class AuthTotals(Struct):
    """Accounts, and what became of sign-ins since the process began: let in, refused, refused unseen while the name was locked."""

    accounts: int
    locked_accounts: int
    sign_ins: int
    failed_sign_ins: int
    locked_out_sign_ins: int
    refreshes: int
    revoked_families: int
