"""A look into a run.db: the latest of each node. Read-only, and over within milliseconds, so that the run never waits for it.

This has queries of its own beside those of master.store, which brings the scenario's reader and takes half a second to
import. Whatever the length of the run, only its last seconds are read; what is older than LOOK_BACK_S stays unknown.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from master.errors import InputError
from master.nodes.now import FleetNow, NodeNow
from master.rundb import open_existing, unreadable
from worker.telemetry import conditions

NOT_A_NODE = "controller"
"""The controller's own machine, which has samples as nodes have."""
STANDING = "standing"
"""Under which name the controller keeps, once a second, where the run stands."""

LATELY_S, LOOK_BACK_S = 10, 300
"""How far back the latest samples are looked for, and those of silent nodes, or all where samples are rare."""
USERS_WITHIN_S = 12
"""Workers without users report every 4 s, and what they tell is up to 2 s on its way."""
WORKER_GONE_S = 6
"""A worker that is silent for so much longer than another one of its node is gone, and its users with it."""
LATE_S = 2
"""Samples are written once a second, up to a second after they were due."""


class _Said(msgspec.Struct):
    """What is shown of what a node says of itself."""

    simulated: bool
    model: str
    piswarm: str


class _Sample(NamedTuple):
    second: int
    cpu_percent: float
    memory_percent: float
    temperature_c: float | None
    frequency_hz: float | None
    conditions: int


def look(directory: Path) -> FleetNow:
    """How the nodes of the run in `directory` are now. Raises InputError where there is no run.db that can be read."""
    path = directory / "run.db"
    if not directory.is_dir():
        raise InputError(f"{directory} is no directory", hint="Name a run directory, as piswarm run has made it.")
    if not path.is_file():
        raise InputError(
            f"{directory} has no run.db, so it is no run directory", hint="Name one that piswarm run has made."
        )
    try:
        with closing(open_existing(path, "ro")) as db:
            db.execute("BEGIN")  # one moment for all queries
            return _read(db, directory.resolve().name, time.time())
    except (msgspec.MsgspecError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} was not made by this version of piswarm: {error}", hint="Read it with the version that made it."
        ) from None
    except sqlite3.Error as error:
        raise unreadable(path, error) from None


def _read(db: sqlite3.Connection, name: str, now_wall_s: float) -> FleetNow:
    meta: dict[str, Any] = {
        key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta WHERE key != 'scenario'")
    }
    standing, verdict = meta.get(STANDING), meta.get("verdict")
    rows = db.execute("SELECT id, name, facts, state, wall_offset_s, capacity FROM nodes").fetchall()
    numbers = {number for number, node, *_ in rows if node != NOT_A_NODE}
    samples, period_s = _latest_samples(db, numbers)
    users = _latest_users(db)
    offset_s = silent_s = None
    if standing is not None:
        written_s = float(standing["offset_s"])
        # The controller writes this anew every second, by the wall clock of the moment.
        now_s = written_s if verdict else max(written_s, now_wall_s - float(standing["began_wall_s"]))
        offset_s, silent_s = round(now_s, 1), None if verdict else round(now_s - written_s, 1)
    nodes = []
    for number, node, facts, state, wall_offset_s, capacity in rows:
        if node == NOT_A_NODE:
            continue
        row = NodeNow(node=node, state=state, wall_offset_s=wall_offset_s, capacity=capacity, users=users.get(number))
        if facts:
            said = msgspec.json.decode(facts, type=_Said)
            row.simulated, row.model, row.piswarm = said.simulated, said.model, said.piswarm
        if number in samples:
            _add_sample(row, samples[number], offset_s, period_s)
        nodes.append(row)
    return FleetNow(
        run=str(meta.get("run", name)),
        started_at=meta.get("started_at"),
        offset_s=offset_s,
        stage=None if standing is None else f"{standing['stage'] + 1} {standing['kind']}",
        silent_s=silent_s,
        verdict=verdict,
        nodes=nodes,
    )


def _add_sample(row: NodeNow, sample: _Sample, offset_s: float | None, period_s: float) -> None:
    row.cpu_percent, row.memory_percent = sample.cpu_percent, sample.memory_percent
    row.temperature_c, row.frequency_hz = sample.temperature_c, sample.frequency_hz
    row.throttled = conditions.flag_state(sample.conditions, conditions.THROTTLED)
    row.under_voltage = conditions.flag_state(sample.conditions, conditions.UNDER_VOLTAGE)
    row.frequency_capped = conditions.flag_state(sample.conditions, conditions.FREQUENCY_CAPPED)
    row.soft_limited = conditions.flag_state(sample.conditions, conditions.SOFT_LIMITED)
    if offset_s is not None:
        row.sample_age_s = round(max(0.0, offset_s - sample.second), 1)
        row.fresh = row.sample_age_s <= 2 * period_s + LATE_S


def _latest_samples(db: sqlite3.Connection, wanted: set[int]) -> tuple[dict[int, _Sample], float]:
    """The latest sample of each node by its number, and how long samples are apart; an end of the key is all that is read."""
    (last,) = db.execute("SELECT max(second) FROM samples").fetchone()
    if last is None:
        return {}, 1.0
    found, period_s = _samples_since(db, last - LATELY_S)
    if period_s is None:  # they are rare
        found, period_s = _samples_since(db, last - LOOK_BACK_S)
    elif missing := wanted - found.keys():
        found |= _samples_since(db, last - LOOK_BACK_S, missing)[0]
    return found, period_s or 1.0


def _samples_since(
    db: sqlite3.Connection, second: int, only: set[int] | None = None
) -> tuple[dict[int, _Sample], float | None]:
    """The latest sample after `second` of all nodes, or of some, which among many others is faster; and the least time between two."""
    # Beside max(), SQLite gives the other columns of the row that has it.
    rows = db.execute(
        "SELECT node, count(*), min(second), max(second), cpu_percent, memory_percent, temperature_c, frequency_hz,"
        " conditions_lately FROM samples WHERE second > ?1 AND (?2 IS NULL OR node IN (SELECT value FROM json_each(?2)))"
        " GROUP BY node",
        (second, None if only is None else json.dumps([*only])),
    ).fetchall()
    apart_s = [(latest - first) / (often - 1) for _, often, first, latest, *_ in rows if often > 1]
    return {number: _Sample(*rest) for number, _, _, *rest in rows}, min(apart_s, default=None)


def _latest_users(db: sqlite3.Connection) -> dict[int, int]:
    """The users of each node, by its number, as its workers last said."""
    (last,) = db.execute("SELECT max(second) FROM fitness").fetchone()
    if last is None:
        return {}
    rows = db.execute(
        "SELECT node, max(second), users FROM fitness WHERE second > ? AND users IS NOT NULL GROUP BY node, worker",
        (last - USERS_WITHIN_S,),
    ).fetchall()
    latest: dict[int, int] = {}
    for number, second, _ in rows:
        latest[number] = max(second, latest.get(number, second))
    users: dict[int, int] = {}
    for number, second, told in rows:
        if second > latest[number] - WORKER_GONE_S:
            users[number] = users.get(number, 0) + told
    return users
