"""The user classes of databases, by the names that a scenario has for them."""

from worker.users.database.mongo import MongoUser
from worker.users.database.postgres import PostgresUser
from worker.users.database.redis import RedisUser
from worker.users.database.sqlite import SqliteUser

__all__ = ["MongoUser", "PostgresUser", "RedisUser", "SqliteUser"]
