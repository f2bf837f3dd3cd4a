"""The events and users by second that a run has written so far."""

from __future__ import annotations

import time
from pathlib import Path

from master.store import Event, Store


def events(directory: Path) -> list[Event]:
    store = Store(directory / "run.db")
    try:
        return store.events()
    finally:
        store.close()


def wait_for_event(directory: Path, kind: str, node: str | None, timeout_s: float = 30) -> tuple[Event, float]:
    """Wait for an event; return it, and after how many seconds it was there."""
    began_s = time.monotonic()
    while True:
        found = [event for event in events(directory) if event.kind == kind and event.node == node]
        waited_s = time.monotonic() - began_s
        if found:
            return found[-1], waited_s
        assert waited_s < timeout_s, f"no event {kind!r} of {node}: {events(directory)}"
        time.sleep(0.1)


def users_over_time(directory: Path) -> dict[int, int]:
    store = Store(directory / "run.db")
    try:
        return {row.second: row.users for row in store.seconds()}
    finally:
        store.close()
