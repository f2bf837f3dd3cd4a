"""Bodies that are on their way are bounded over all connections together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from master.target.api.bodies import BodyBudget, read_bytes
from master.target.api.errors import ApiError

LIMIT_BYTES = 100


def request(*messages: dict[str, Any]) -> tuple[Request, asyncio.Queue[dict[str, Any]]]:
    """A request of which so much has come, and where to put what comes later."""
    incoming = asyncio.Queue[dict[str, Any]]()
    for message in messages:
        incoming.put_nowait(message)
    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, incoming.get), incoming


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_who_keeps_bodies_waiting_leaves_room_for_no_more_of_them() -> None:
    """Until they end; what still fits is taken all the while."""

    async def work() -> None:
        budget = BodyBudget(10)
        slow, incoming = request(piece(b"12345678", more=True))
        waiting = asyncio.create_task(read_bytes(slow, LIMIT_BYTES, budget))
        await asyncio.sleep(0)  # it takes what has come for it
        with pytest.raises(ApiError, match="too many bodies") as refused:
            await read_bytes(request(piece(b"123"))[0], LIMIT_BYTES, budget)
        assert refused.value.status == 503
        assert await read_bytes(request(piece(b"12"))[0], LIMIT_BYTES, budget) == b"12"
        incoming.put_nowait({"type": "http.disconnect"})
        with pytest.raises(ClientDisconnect):
            await waiting
        assert await read_bytes(request(piece(b"1234567890"))[0], LIMIT_BYTES, budget) == b"1234567890"

    asyncio.run(work())
