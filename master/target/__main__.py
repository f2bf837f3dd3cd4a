"""The target's process: `python -m master.target`."""

from __future__ import annotations

import os
import resource
import secrets
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

from master.target.app import Gateway
from master.target.auth.authority import Authority
from master.target.auth.state.database_state import DatabaseState
from master.target.auth.state.security_state import SecurityState
from master.target.composition import create_gateway
from master.target.database.cache import Cache, MemoryCache
from master.target.database.database import DatabaseError
from master.target.database.opening import open_database
from master.target.process.lifetime import end_after_stdin, end_on_signals
from master.target.process.password import REDIS_PASSWORD_VARIABLE, PasswordError, read_password
from master.target.process.scratch import scratch_directory
from master.target.process.server import Server
from master.target.rdp.servers import RdpSettings
from master.target.settings import TargetSettings, parse_settings

EXIT_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end. Returns the exit code: 0, or 2 when the arguments can't be followed."""
    settings = parse_settings(arguments)
    try:
        password = read_password(settings.password_file, from_orders=settings.orders_on_stdin)
    except PasswordError as error:
        return _refuse(str(error))
    with scratch_directory() as directory:
        try:
            listener = _listen(settings.host, settings.port)
        except OSError as error:
            return _refuse(
                f"can't listen on {settings.host}:{settings.port}: {error.strerror}; name a free --port, or 0"
            )
        _raise_file_limit()
        with listener:
            return _serve(settings, password, listener, directory)


def _serve(settings: TargetSettings, given: str | None, listener: socket.socket, directory: Path) -> int:
    async def create(stack: AsyncExitStack) -> Gateway:
        where = settings.database or str(directory / "target.db")
        database = await open_database(where, settings.durability)
        stack.push_async_callback(database.close)
        state: SecurityState = DatabaseState(database)
        cache: Cache = MemoryCache()
        if settings.redis:
            from master.target.auth.state.redis_state import RedisState  # noqa: PLC0415  # takes 0.1 s
            from master.target.database.redis_server import RedisCache, connect_redis  # noqa: PLC0415

            client = await connect_redis(settings.redis, os.environ.get(REDIS_PASSWORD_VARIABLE))
            stack.push_async_callback(client.aclose)
            state, cache = RedisState(client), RedisCache(client)
        password = given or secrets.token_urlsafe()
        if given is None:
            _say(f"all accounts have the password {password} until this target ends")
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=2, thread_name_prefix="work"))
        return create_gateway(
            Authority(password, settings.auth),
            database,
            pool,
            state,
            cache,
            key_file=settings.key_file or _key_file(where),
            alive_within_s=settings.alive_within_s,
            rdp=RdpSettings(settings.host, settings.rdp_ports, settings.rdp_servers),
            validators=settings.validators,
            block_time_s=settings.block_time_s,
            streaming=settings.streaming,
        )

    server = Server(create)
    end_on_signals(server.stop)
    if settings.until_stdin_closes:
        end_after_stdin(server.stop, server.count_requests, settings.outlive_s)
    server.run([listener])
    if isinstance(server.failure, DatabaseError):
        return _refuse(f"can't use {server.failure.option}: {server.failure}")
    if server.failure is not None:
        raise server.failure
    return 0


def _key_file(database: str) -> Path | None:
    """Beside the file of the database, if it is one."""
    return None if "://" in database else Path(f"{database}.key")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _raise_file_limit() -> None:
    """One file per connection: let there be as many as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _refuse(message: str) -> int:
    _say(message)
    return EXIT_INPUT


def _say(message: str) -> None:
    print(f"target: {message}", file=sys.stderr, flush=True)  # noqa: T201  # the operator reads it


if __name__ == "__main__":
    sys.exit(main())
