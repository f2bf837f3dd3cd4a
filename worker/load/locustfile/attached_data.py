"""What a locustfile sends by `runner.send_message`, or attaches to reports, as bytes: serialized as by Locust's own messages."""

from __future__ import annotations

from typing import Any

from locust.rpc import Message

from worker.wire.bounds import MAX_PROJECT_DATA


def pack_data(data: Any) -> bytes:
    """`data` as bytes. Raises TypeError or ValueError for what can't be serialized, or is larger than MAX_PROJECT_DATA."""
    try:
        packed: bytes = Message("", data, None).serialize()
    except (OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if len(packed) > MAX_PROJECT_DATA:
        raise ValueError(f"{len(packed)} bytes, and {MAX_PROJECT_DATA} is the most that can be sent at once")
    return packed


def unpack_data(packed: bytes) -> Any:
    """What was packed. Raises ValueError, whatever the bytes are."""
    try:
        return Message.unserialize(packed).data
    except Exception as error:
        raise ValueError(f"data that can't be decoded: {error}") from error
