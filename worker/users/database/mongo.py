"""Users of MongoDB: `mongodb://host:port/database`. PyMongo waits on Python's sockets, which are gevent's in a worker."""

from __future__ import annotations

from typing import Any

from worker.users.database import workload
from worker.users.database.base import DatabaseUser
from worker.users.database.drivers import DRIVERS, import_driver

DATABASE = "piswarm"
"""Where the URL names none."""


class MongoUser(DatabaseUser):
    """Looks documents up by their id, queries by an index, and updates."""

    drivers = DRIVERS["MongoUser"]
    protocol = "MONGO"

    def open_pool(self) -> MongoPool:
        """The pool, and the collection, made where it is not there."""
        return MongoPool(self.url, self.connections, self.timeout_s)

    def failures(self) -> tuple[type[Exception], ...]:
        """What PyMongo raises."""
        return (import_driver("pymongo").errors.PyMongoError, workload.WrongRowsError)

    def work(self) -> None:
        """One step; an update of one document is atomic, and stands for a transaction, which needs a replica set."""
        sessions = self.pool.sessions
        row = self.random.randrange(workload.ROWS)
        (step,) = self.random.choices(("lookup", "query", "update"), (5, 3, 2))
        with self.request(step):
            if step == "lookup":
                found = sessions.find_one({"_id": row})
                right = found is not None and found["owner"] == workload.owner_of(row)
            elif step == "query":
                rows = list(sessions.find({"owner": workload.owner_of(row)}).sort("_id", -1).limit(workload.PAGE))
                right = len(rows) == workload.PAGE
            else:
                right = sessions.update_one({"_id": row}, {"$inc": {"raw_bytes": 1}}).matched_count == 1
            if not right:
                raise workload.WrongRowsError(step)


class MongoPool:
    """PyMongo's client, which has a pool of its own, up to `size`."""

    def __init__(self, url: str, size: int, timeout_s: float) -> None:
        """Raises pymongo.errors.PyMongoError."""
        pymongo = import_driver("pymongo")
        wait_ms = int(1000 * timeout_s)
        self._client: Any = pymongo.MongoClient(
            url, maxPoolSize=size, serverSelectionTimeoutMS=wait_ms, waitQueueTimeoutMS=wait_ms
        )
        self.sessions = self._client.get_default_database(DATABASE)["piswarm_sessions"]
        self.sessions.create_index([("owner", 1), ("_id", 1)])
        names = ("owner", "state", "raw_bytes")
        for row, *values in [] if self.sessions.estimated_document_count() >= workload.ROWS else workload.filling():
            self.sessions.update_one({"_id": row}, {"$setOnInsert": dict(zip(names, values, strict=True))}, upsert=True)

    def add_user(self) -> None:
        """Nothing: the pool grows by itself."""

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
