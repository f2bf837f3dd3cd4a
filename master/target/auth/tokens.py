"""Tokens: JSON Web Tokens (RFC 7519), signed with HMAC-SHA256."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from master.target.api.caller import Role

KEY_BYTES = 32
MAX_TOKEN_CHARACTERS = 1024
_ALGORITHM = "HS256"


class InvalidTokenError(Exception):
    """Not signed by this key, or not of the kind that is asked for. Whether it has expired is not looked at."""


class AccessClaims(msgspec.Struct, frozen=True):
    """What a token says that is sent with each request. Times are Unix seconds.

    `fam` is the sign-in that the token goes back to: a token is revoked with its whole family.
    """

    sub: str
    role: Role
    iat: float
    exp: float
    jti: str
    fam: str
    use: Literal["access"] = "access"


class RefreshClaims(msgspec.Struct, frozen=True):
    """What a token says that is good for one new pair of tokens."""

    sub: str
    iat: float
    exp: float
    jti: str
    fam: str
    use: Literal["refresh"] = "refresh"


_Claims = TypeVar("_Claims", AccessClaims, RefreshClaims)


class TokenSigner:
    """Signs claims, and reads those that it has signed."""

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)

    def sign(self, claims: AccessClaims | RefreshClaims) -> str:
        """The token."""
        return jwt.encode({"alg": _ALGORITHM}, msgspec.to_builtins(claims), self._key)

    def read(self, token: str, kind: type[_Claims]) -> _Claims:
        """What a token says. Raises InvalidTokenError."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise InvalidTokenError
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
            # A kind that is not named would pass by its default.
            if claims.get("use") is None:
                raise InvalidTokenError
            return msgspec.convert(claims, kind)
        except (JoseError, ValueError, TypeError, msgspec.ValidationError):
            raise InvalidTokenError from None
