"""Users of Redis: `redis://host:port/number`. redis-py waits on Python's sockets, which are gevent's in a worker."""

from __future__ import annotations

from typing import Any

from worker.users.database import workload
from worker.users.database.base import DatabaseUser
from worker.users.database.drivers import DRIVERS, import_driver

KEYS = 10_000
LIFETIME_S = 3600
"""After a run that was cut short its keys are gone in an hour."""
VALUE = b"a session's token, as long as those that a gateway keeps: " + bytes(range(64)) * 4


class RedisUser(DatabaseUser):
    """Keeps and reads tokens, as a gateway does, and counts in transactions."""

    drivers = DRIVERS["RedisUser"]
    protocol = "REDIS"

    def open_pool(self) -> RedisPool:
        """The pool; nothing has to be there."""
        return RedisPool(self.url, self.password, self.connections, self.timeout_s)

    def failures(self) -> tuple[type[Exception], ...]:
        """What redis-py raises."""
        return (import_driver("redis").RedisError, workload.WrongRowsError)

    def work(self) -> None:
        """Keep a token and read it, or count in a transaction."""
        client = self.pool.client
        number = self.random.randrange(KEYS)
        if self.random.random() < 0.8:
            key = f"piswarm:token:{number}"
            with self.request("SET"):
                client.set(key, VALUE, ex=LIFETIME_S)
            with self.request("GET") as request:
                found = client.get(key)
                request.received_bytes = len(found or b"")
                if found != VALUE:
                    raise workload.WrongRowsError("GET")
        else:
            with self.request("transaction"):
                pipeline = client.pipeline(transaction=True)
                counted, _ = (
                    pipeline.incr(f"piswarm:count:{number}").expire(f"piswarm:count:{number}", LIFETIME_S).execute()
                )
                if counted < 1:
                    raise workload.WrongRowsError("transaction")


class RedisPool:
    """redis-py's pool, whose connections are made when they are needed, up to `size`."""

    def __init__(self, url: str, password: str, size: int, timeout_s: float) -> None:
        """Raises redis.RedisError."""
        redis = import_driver("redis")
        self.client: Any = redis.Redis(
            connection_pool=redis.BlockingConnectionPool.from_url(
                url,
                password=password or None,
                max_connections=size,
                timeout=timeout_s,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
            )
        )
        self.client.ping()

    def add_user(self) -> None:
        """Nothing: the pool grows by itself."""

    def close(self) -> None:
        """Close all connections."""
        self.client.close()
        self.client.connection_pool.disconnect()
