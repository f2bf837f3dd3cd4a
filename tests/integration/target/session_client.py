"""Clients of the target that have sessions, and a target that is killed and started again."""

from __future__ import annotations

import sqlite3
import time
from hashlib import sha256
from typing import Any

import psycopg
from processes import Reply, Target

from master.target.chain.ledger.merkle import MerkleTree

SCREEN = {"resolution": [1920, 1080]}
PATIENCE_S = 60
BLOCK_TIME_S = 0.5


class Client:
    """Somebody who is signed in."""

    def __init__(self, target: Target, username: str) -> None:
        self._target = target
        self._token = target.sign_in(username)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return self._target.ask(method, path, body, self._token, **headers)

    def create(self, **wanted: Any) -> Session:
        reply = self.ask("POST", "/sessions", SCREEN | wanted)
        assert reply.status == 201, reply
        assert reply.json["state"] == "created"
        return Session(self, reply.json["id"])

    def statistics(self) -> dict[str, Any]:
        reply = self.ask("GET", "/sessions/statistics")
        assert reply.status == 200, reply
        return reply.json


class Session:
    """A session on the target, and what its client has sent of it."""

    def __init__(self, client: Client, session_id: str) -> None:
        self._client = client
        self.id = session_id
        self.path = f"/sessions/{session_id}"
        self.sent: list[bytes] = []

    def read(self) -> dict[str, Any]:
        reply = self._client.ask("GET", self.path)
        assert reply.status == 200, reply
        return reply.json

    def send(self, *chunks: bytes) -> None:
        for chunk in chunks:
            reply = self._client.ask("POST", f"{self.path}/chunks", chunk)
            assert (reply.status, reply.json["sequence"]) == (201, len(self.sent)), reply
            assert reply.json["sha256"] == sha256(chunk).hexdigest()
            self.sent.append(chunk)

    def step(self, name: str, body: Any = None) -> Reply:
        return self._client.ask("POST", f"{self.path}/{name}", body)

    def until(self, *states: str) -> dict[str, Any]:
        """What it is once it has come to one of these states."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (found := self.read())["state"] not in states:
            assert time.monotonic() < deadline_s, found
            time.sleep(0.01)
        return found

    def process(self) -> dict[str, Any]:
        """Close it; what came of it."""
        assert self.step("close").json["state"] == "processing"
        return self.until("processed", "failed")

    def root(self) -> str:
        """The Merkle root as its client works it out."""
        return MerkleTree(sha256(chunk).digest() for chunk in self.sent).root().hex()


def again(session: Session, client: Client) -> Session:
    """The same session after a restart."""
    same = Session(client, session.id)
    same.sent = session.sent
    return same


class Restarts:
    """A target that is killed without warning and started again with the same database."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._options = ["--database", database, f"--block-time={BLOCK_TIME_S}"]
        self.target = Target(*self._options)

    def kill(self) -> None:
        """Kill it, and start it again."""
        self.target.process.kill()
        self.target.end()
        self.target = Target(*self._options)

    def client(self, username: str = "user0001") -> Client:
        return Client(self.target, username)

    def execute(self, sql: str, *values: Any) -> None:
        """Do something to the database behind the target's back."""
        if "://" in self._database:
            with psycopg.connect(self._database, options="-c search_path=piswarm_target") as connection:
                assert connection.execute(sql.replace("?", "%s").encode(), values).rowcount == 1
            return
        with sqlite3.connect(self._database) as connection:
            assert connection.execute(sql, values).rowcount == 1
        connection.close()
