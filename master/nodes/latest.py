"""Reads the latest of each node from a run.db. Read-only, and done within milliseconds, so that the run never waits for it.

Whatever the length of the run, only its last seconds are read; what is older than LOOK_BACK_S stays unknown.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec

from master.errors import InputError
from master.nodes.now import FleetNow, NodeNow
from master.store import CHECKPOINT_KEY, CONTROLLER, RACKS_KEY, LatestSample, StoreReader, unreadable
from worker.telemetry import conditions

LATELY_S, LOOK_BACK_S = 10, 300
"""How far back the latest samples are looked for, and those of silent nodes, or all where samples are rare."""
USERS_WITHIN_S = 12
"""Workers without users report every 4 s, and a report is up to 2 s on its way."""
WORKER_GONE_S = 6
"""A worker that is silent for so much longer than another one of its node is gone, and its users with it."""
LATE_S = 2
"""Samples are written once a second, up to a second after they were due."""


def read_latest(directory: Path) -> FleetNow:
    """How the nodes of the run in `directory` are now. Raises InputError where there is no run.db that can be read."""
    path = directory / "run.db"
    if not directory.is_dir():
        raise InputError(f"{directory} is no directory", hint="Name a run directory, as piswarm run has made it.")
    if not path.is_file():
        raise InputError(
            f"{directory} has no run.db, so it is no run directory", hint="Name one that piswarm run has made."
        )
    try:
        with closing(StoreReader.open(path)) as reader:
            reader.hold_snapshot()
            return _read(reader, directory.resolve().name, time.time())
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} was not made by this version of piswarm: {error}", hint="Read it with the version that made it."
        ) from None
    except sqlite3.Error as error:
        raise unreadable(path, error) from None


def _read(reader: StoreReader, name: str, now_wall_s: float) -> FleetNow:
    run, started_at, verdict, checkpoint = (
        cast("Any", reader.meta(key)) for key in ("run", "started_at", "verdict", CHECKPOINT_KEY)
    )
    facts = reader.nodes()
    rows = [row for row in reader.node_rows() if row.name != CONTROLLER]
    samples, period_s = _latest_samples(reader, {row.name for row in rows})
    users = _latest_users(reader)
    offset_s = silent_s = None
    if checkpoint is not None:
        written_s = float(checkpoint["offset_s"])
        # The controller writes this anew every second, by the wall clock of the moment.
        now_s = written_s if verdict else max(written_s, now_wall_s - float(checkpoint["began_wall_s"]))
        offset_s, silent_s = round(now_s, 1), None if verdict else round(now_s - written_s, 1)
    nodes = []
    racks = cast("Any", reader.meta(RACKS_KEY)) or {}
    for row in rows:
        node = NodeNow(
            node=row.name,
            rack=racks.get(row.name),
            state=row.state,
            wall_offset_s=row.wall_offset_s,
            capacity=row.capacity,
            users=users.get(row.name),
        )
        if said := facts.get(row.name):
            node.simulated, node.model, node.piswarm = said.simulated, said.model, said.piswarm
        if row.name in samples:
            _add_sample(node, samples[row.name], offset_s, period_s)
        nodes.append(node)
    return FleetNow(
        run=str(name if run is None else run),
        started_at=started_at,
        offset_s=offset_s,
        stage=None if checkpoint is None else f"{checkpoint['stage'] + 1} {checkpoint['kind']}",
        silent_s=silent_s,
        verdict=verdict,
        nodes=nodes,
    )


def _add_sample(node: NodeNow, sample: LatestSample, offset_s: float | None, period_s: float) -> None:
    node.cpu_percent, node.memory_percent = sample.cpu_percent, sample.memory_percent
    node.temperature_c, node.frequency_hz = sample.temperature_c, sample.frequency_hz
    node.throttled = conditions.flag_state(sample.conditions, conditions.THROTTLED)
    node.under_voltage = conditions.flag_state(sample.conditions, conditions.UNDER_VOLTAGE)
    node.frequency_capped = conditions.flag_state(sample.conditions, conditions.FREQUENCY_CAPPED)
    node.soft_limited = conditions.flag_state(sample.conditions, conditions.SOFT_LIMITED)
    if offset_s is not None:
        node.sample_age_s = round(max(0.0, offset_s - sample.second), 1)
        node.fresh = node.sample_age_s <= 2 * period_s + LATE_S


def _latest_samples(reader: StoreReader, wanted: Collection[str]) -> tuple[dict[str, LatestSample], float]:
    """The latest sample of each node by its name, and the time between samples in seconds."""
    last_s = reader.last_sample_s()
    if last_s is None:
        return {}, 1.0
    found = reader.latest_samples(last_s - LATELY_S)
    period_s = _period_s(found)
    if period_s is None:  # they are rare
        found = reader.latest_samples(last_s - LOOK_BACK_S)
        period_s = _period_s(found)
    elif missing := set(wanted) - {sample.node for sample in found}:
        found += reader.latest_samples(last_s - LOOK_BACK_S, nodes=missing)
    return {sample.node: sample for sample in found}, period_s or 1.0


def _period_s(found: Collection[LatestSample]) -> float | None:
    """The least time between two samples of a node; None where none has two."""
    periods = ((each.second - each.first_s) / (each.samples - 1) for each in found if each.samples > 1)
    return min(periods, default=None)


def _latest_users(reader: StoreReader) -> dict[str, int]:
    """The users of each node, by its name, as its workers last reported them."""
    rows = list(reader.latest_users(USERS_WITHIN_S))
    latest: dict[str, int] = {}
    for node, second, _ in rows:
        latest[node] = max(second, latest.get(node, second))
    users: dict[str, int] = {}
    for node, second, number in rows:
        if second > latest[node] - WORKER_GONE_S:
            users[node] = users.get(node, 0) + number
    return users
