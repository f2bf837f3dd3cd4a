"""Many requests of one user at once, to a server that behaves in all ways, and tasks that end at any moment."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import gevent
import pytest
from gevent.pool import Pool
from http_server import Exchange, Server, Visitor, chunked, reply

from worker.http.errors import FAILURES


class Moody:
    """A server whose responses name their request, in a form that it chooses by its own `random`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self, at: Exchange) -> bytes | None:
        moods = ["plain"] * 4 + ["chunked", "endless", "closing", "slow", "in two", "drop", "cut", "early", "interim"]
        mood = self.random.choice(moods)
        body = (at.request["X-Id"] or "").encode() * 50
        answer = reply(body)
        if mood == "early" or at.request.method == "HEAD":
            at.send(answer.removesuffix(body) if at.request.method == "HEAD" else answer)
            at.read_body()
            return None
        if at.request["Expect"]:
            at.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        at.read_body()
        if mood in {"endless", "closing", "drop", "cut"}:
            at.hang_up()
        elif mood == "slow":
            gevent.sleep(self.random.random() * 0.02)
        elif mood == "in two":
            at.send(answer[:60])
            gevent.sleep(0)
            return answer[60:]
        others = {
            "chunked": chunked(body),
            "endless": b"HTTP/1.1 200 OK\r\n\r\n" + body,
            "interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer,
            "cut": answer[:-7],
            "drop": b"",
        }
        return others.get(mood, answer)


@pytest.mark.parametrize("seed", range(3))
def test_each_request_gets_its_own_answer_or_none(seed: int) -> None:
    """Each request gets its own response or none, whatever became of those before it, and in the end all places are free."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with Server() as server:
        server.on("/", Moody(seed))
        user = server.visitor(concurrency=4, network_timeout=5)
        pool = Pool(20)
        for number in range(1500):
            greenlet = pool.spawn(visit, user, f"<{number}>", chance.randrange(1 << 30), outcomes)
            if chance.random() < 0.1:
                gevent.spawn_later(chance.random() * 0.02, greenlet.kill, block=False)
        pool.join()
        server.on("/", reply("hello"))
        assert [answer.text for answer in Pool(4).map(user.client.get, ["/"] * 20)] == ["hello"] * 20
    assert outcomes["mixed up"] == 0
    assert outcomes["right"] > 500
    assert min(outcomes["none"], outcomes["killed"]) > 20


def visit(user: Visitor, own: str, seed: int, outcomes: Counter[str]) -> None:
    """One request of some kind, which may be cut off."""
    chance = random.Random(seed)
    kinds: list[dict[str, Any]] = [
        {"method": "GET"},
        {"method": "GET", "stream": True},
        {"method": "HEAD"},
        {"method": "POST", "data": b"x" * chance.choice([0, 100, 3_000_000])},
        {"method": "PUT", "data": iter([b"x" * 1000, b"y" * 400_000])},
        {"method": "POST", "data": b"x", "headers": {"Expect": "100-continue"}},
    ]
    kind = chance.choice(kinds)
    kind["headers"] = {"X-Id": own, **kind.get("headers", {})}
    try:
        with gevent.Timeout(chance.random() * 0.02 if chance.random() < 0.1 else None):
            content = user.client.request(url="/", **kind).content
    except FAILURES:  # a stream's, or the limit after the request
        content = None
    except gevent.GreenletExit:
        outcomes["killed"] += 1
        return
    if content is None:
        outcomes["none"] += 1
    else:
        outcomes["right" if content.decode() == ("" if kind["method"] == "HEAD" else own * 50) else "mixed up"] += 1
