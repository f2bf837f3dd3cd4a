"""Real servers of databases that tests start on loopback, where they are installed."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import pytest
import redis
from free_ports import free_ports

START_S = 30.0
ACCOUNT = "piswarm"


def _programs(name: str) -> str | None:
    """Return the newest program of that name of Debian's PostgreSQL, or one in the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(folders[-1]) if folders else shutil.which(name)


def _as_other_user() -> list[str]:
    """Return the words before a command that run it as another user, since PostgreSQL refuses to run as root."""
    if os.geteuid():
        return []
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return ["setpriv", f"--reuid={name}", "--clear-groups"]
    raise AssertionError("no account that PostgreSQL could run as")


class Server:
    """A server process, for the length of a `with` block."""

    process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self.process = subprocess.Popen(
            self.command(), cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline_s = time.monotonic() + START_S
        while not self.answers():
            assert self.process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline_s, "the server does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server at once, and wait until it is gone."""
        self.process.send_signal(2)  # PostgreSQL: a fast shutdown
        self.process.wait(30)

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError


class Postgres(Server):
    """PostgreSQL with the account `piswarm`, which needs no password."""

    def __init__(self, folder: Path) -> None:
        """Raises pytest's Skipped where it is not installed."""
        initdb, self._program = _programs("initdb"), _programs("postgres")
        if initdb is None or self._program is None:
            pytest.skip("PostgreSQL is not installed: apt install postgresql")
        self._folder = folder
        self._as_other = _as_other_user()
        if self._as_other:
            shutil.chown(folder, self._as_other[1].partition("=")[2])
            for parent in folder.parents:  # pytest's own are for their owner alone
                if parent.stat().st_uid == 0 and parent.is_relative_to("/tmp/") and parent != Path("/tmp"):
                    parent.chmod(parent.stat().st_mode | 0o011)
        subprocess.run(
            [*self._as_other, initdb, "-D", folder / "data", "-U", ACCOUNT, "--auth=trust", "-E", "UTF8", "--no-sync"],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )
        self.port = free_ports()
        self.url = f"postgresql://{ACCOUNT}@127.0.0.1:{self.port}/postgres"
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.replace("/postgres", f"/{name}")

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "fsync": "off",  # what survives a power cut is not the question
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*self._as_other, str(self._program), "-D", str(self._folder / "data"), *options]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class Redis(Server):
    """Redis that keeps nothing on disk."""

    def __init__(self) -> None:
        """Raises pytest's Skipped where it is not installed."""
        if (program := shutil.which("redis-server")) is None:
            pytest.skip("Redis is not installed: apt install redis-server")
        self._program = program
        self.port = free_ports()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """The URL of an empty database, of fifteen in all."""
        return f"{self.url}/{next(self._numbers)}"

    def command(self) -> list[str]:
        return [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
