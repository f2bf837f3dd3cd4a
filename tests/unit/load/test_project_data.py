"""What a locustfile hands over to the other side, as bytes."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.locustfile.attached_data import pack_data, unpack_data
from worker.wire.bounds import MAX_PROJECT_DATA


@pytest.mark.parametrize(
    "data",
    [
        None,
        "names",
        ["user1", "user2"],
        {"n": 3, 4: [1.5, True]},
        b"raw",
        dt.datetime(2026, 3, 1, 12, 0, 0, 7),  # noqa: DTZ001  # Locust's messages have no time zones
    ],
)
def test_data_arrives_as_by_locusts_own_messages(data: Any) -> None:
    """Plain data, and times, come back equal."""
    assert unpack_data(pack_data(data)) == data


@pytest.mark.parametrize("data", [object(), "x" * (MAX_PROJECT_DATA + 1), 1 << 70, {"set": {1}}])
def test_data_that_cannot_be_sent_is_refused(data: Any) -> None:
    """What can't be serialized, and what is too large, is an error of the caller's."""
    with pytest.raises((TypeError, ValueError)):
        pack_data(data)


@given(st.binary(max_size=200))
def test_whatever_a_peer_sends_is_data_or_a_value_error(packed: bytes) -> None:
    """Bytes of a hostile peer decode, or raise ValueError and nothing else."""
    with contextlib.suppress(ValueError):
        unpack_data(packed)
