"""What sign-in remembers, in Redis: each key is forgotten by the server itself when its time is over."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from redis.asyncio import Redis

from master.target.auth.lockout import Failures
from master.target.auth.revocations import MAX_REVOCATIONS
from master.target.auth.state.security_state import Rotation
from master.target.database.redis_server import PREFIX, reachable

_FAMILY, _FAILURES, _REVOKED = f"{PREFIX}family:", f"{PREFIX}failures:", f"{PREFIX}revoked"
# One step on the server, whoever else tries. The key holds the token that is good.
_ROTATE = """
local good = redis.call('GET', KEYS[1])
if not good then return 0 end
if good ~= ARGV[1] then return 1 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 2
"""
_OUTCOMES = (Rotation.UNKNOWN, Rotation.REUSED, Rotation.ROTATED)
_read_failures = msgspec.json.Decoder(Failures).decode


class RedisState:
    """A SecurityState in Redis. Revoked families are a sorted set by the time until which they are revoked."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._rotate: Any = client.register_script(_ROTATE)

    async def start(self) -> None:
        """As SecurityState."""

    async def begin_family(self, family: str, token: str, expires_at: float) -> None:
        """As SecurityState."""
        with reachable():
            await self._client.set(_FAMILY + family, token, pxat=_ms(expires_at))

    async def rotate(self, family: str, used: str, following: str, expires_at: float) -> Rotation:
        """As SecurityState."""
        with reachable():
            outcome = await self._rotate(keys=[_FAMILY + family], args=[used, following, _ms(expires_at)])
        return _OUTCOMES[int(outcome)]

    async def revoke(self, family: str, until: float) -> None:
        """As SecurityState."""
        with reachable():
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.delete(_FAMILY + family)
                pipeline.zadd(_REVOKED, {family: until})
                pipeline.zremrangebyrank(_REVOKED, 0, -MAX_REVOCATIONS - 1)
                await pipeline.execute()

    async def revoked(self, now: float) -> list[tuple[str, float]]:
        """As SecurityState."""
        with reachable():
            await self._client.zremrangebyscore(_REVOKED, "-inf", now)
            found: list[Any] = await self._client.zrange(_REVOKED, 0, -1, withscores=True)
        return [(str(family), float(until)) for family, until in found]

    async def failures(self, name: str) -> Failures | None:
        """As SecurityState."""
        with reachable():
            found = await self._client.get(_FAILURES + name)
        return None if found is None else _read_failures(found)

    async def put_failures(self, name: str, failures: Failures, expires_at: float, now: float) -> None:
        """As SecurityState. `now` is that of the server."""
        del now
        with reachable():
            await self._client.set(_FAILURES + name, msgspec.json.encode(failures), pxat=_ms(expires_at))

    async def clear_failures(self, name: str) -> None:
        """As SecurityState."""
        with reachable():
            await self._client.delete(_FAILURES + name)


def _ms(at_s: float) -> int:
    return math.ceil(at_s * 1000)
