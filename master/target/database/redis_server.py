"""Redis, where `--redis` names one: the connection to it, and answers kept there. Imported then alone: it takes 0.1 s."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis.asyncio
from redis.exceptions import RedisError

from master.target.database.database import DatabaseError

PREFIX = "piswarm_target:"
"""Of all keys, so that a server can be shared."""
MAX_CONNECTIONS = 32
KEEP_S = 60
"""For how long a cached answer is kept; how old it may be, who reads it decides."""
_TIMEOUT_S = 5.0


async def connect_redis(url: str, password: str | None = None) -> redis.asyncio.Redis:
    """A client, connected; `password` is used where the URL has none. Raises DatabaseError if the server can't be used."""
    try:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            password=password or None,
            max_connections=MAX_CONNECTIONS,
            timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            decode_responses=True,
        )
    except ValueError as error:
        raise DatabaseError(f"Redis: {error}", "--redis") from None
    client = redis.asyncio.Redis.from_pool(pool)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        await client.aclose()
        raise DatabaseError(f"Redis: {error}; check the URL, and that the server runs", "--redis") from None
    return client


@contextmanager
def reachable() -> Iterator[None]:
    """Raises DatabaseError where Redis can't be reached inside."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise DatabaseError(f"Redis: {error}", "--redis") from error


class RedisCache:
    """A Cache that several processes share."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    async def get(self, key: str) -> str | None:
        """As Cache."""
        with reachable():
            found = await self._client.get(f"{PREFIX}cache:{key}")
        return None if found is None else str(found)

    async def put(self, key: str, text: str) -> None:
        """As Cache."""
        with reachable():
            await self._client.set(f"{PREFIX}cache:{key}", text, ex=KEEP_S)
