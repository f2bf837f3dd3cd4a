"""A report in which every text that can come from outside is one that would do harm."""

from __future__ import annotations

from typing import Any

import msgspec
from report_example import FACTS, HOSTILE, fill, result

from master.judge.result import (
    ClockOffset,
    DataResult,
    ErrorResult,
    ExceptionResult,
    InFlight,
    Result,
    Soak,
    SoakMetric,
    SoakSubject,
)
from master.store import ErrorRow, Event, FitnessRow, Store

KEPT = ("schema", "verdict", "op", "model", "check", "limit_text", "observed_text", "metric", "unit", "of")
"""Texts that piswarm alone chooses, from a few."""


def hostile(value: Any) -> Any:
    """The same with HOSTILE for every text in it."""
    match value:
        case msgspec.Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            changed = {name: each if name in KEPT else hostile(each) for name, each in fields.items()}
            return msgspec.structs.replace(value, **changed)
        case str():
            return HOSTILE
        case list() | tuple():
            return type(value)(hostile(each) for each in value)
        case dict():
            return {hostile(key): hostile(each) for key, each in value.items()}
        case _:
            return value


def hostile_result(**changed: Any) -> Result:
    """A result with rows of every kind."""
    full = msgspec.structs.replace(
        result("FAIL"),
        clocks_off=[ClockOffset(node="pi1", offset_s=9.0)],
        errors=[ErrorResult(method="GET", name="/a", error="e", count=1, first_s=0.0)],
        exceptions=[ExceptionResult(user_class="User", type="Error", message="m", place="f.py:1", line="x()", count=2)],
        in_flight=InFlight(peak=2, oldest_ms=2000.0, endpoint="GET /a"),
        warnings=["a warning"],
        faults=["a fault"],
        data=[_table()],
        soak=_soak(),
        **changed,
    )
    found: Result = hostile(full)
    return found


def fill_hostile(store: Store) -> None:
    """The run to go with it."""
    fill(store)
    facts = msgspec.structs.replace(FACTS, model=HOSTILE, os=HOSTILE, kernel=HOSTILE, python=HOSTILE)
    store.put_node(HOSTILE, facts)
    store.put_fitness([FitnessRow(HOSTILE, 16, 90.0, 95.0, 3, HOSTILE)])
    store.add_event(Event(3.0, "lost", HOSTILE, HOSTILE))
    store.add_error(ErrorRow(HOSTILE, HOSTILE, HOSTILE, 4, 0.1))
    store.commit()


def _soak() -> Soak:
    """One node's memory drifts."""
    subject = SoakSubject(
        subject="pi1", drifts=True, per_day=2e7, low_per_day=1e7, high_per_day=3e7, change=1e7, level=1e9, detectable_per_day=1e7,
        adjusted_p=0.001, rank_p=0.001, lasting=True, blocks=[1.0, None, 2.0, 3.0],
    )  # fmt: skip
    metric = SoakMetric(
        metric="node_memory", of="generator", unit="bytes", limit_per_day=1e7, floor_per_day=1e7, ok=False, subjects=1,
        unknown_subjects=0, drifting=1, detectable_per_day=1e7, message="pi1 grew", worst=[subject],
    )  # fmt: skip
    return Soak(
        verdict="drift", reason="pi1 grew", hold_from_s=0, hold_to_s=3600, warm_up_s=60, block_s=60, blocks=4,
        false_alarm_percent=5.0, metrics=[metric],
    )  # fmt: skip


def _table() -> DataResult:
    return DataResult(
        name="accounts", use="unique", at_end="stop", rows=9, taken=9, used=9, unsure=1, waits=1, longest_wait_ms=2.0,
        timeouts=1, stopped_users=1, ended_s=3.0,
    )  # fmt: skip
