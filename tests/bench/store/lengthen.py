"""A day out of two hours: `python tests/bench/store/lengthen.py DIRECTORY HOURS`.

The thinned part of a run that day.py has made is repeated until the run is HOURS long: what run.db holds is as large as if every second had been
played, and made within minutes. Node by node and minute by minute it repeats itself; do not look for trends in it.
"""

from __future__ import annotations

import locust  # isort: skip  # noqa: F401

import argparse
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from locust import __version__ as locust_version

from master.judge.outcome import conclude
from master.judge.run_facts import RunFacts
from master.judge.seconds.steady_part import SteadyPart
from master.report.files import write_outcome
from master.run.collect.live_rules import LiveRules
from master.run.collect.resume import resume_fitness, resume_seconds
from master.run.directory import RunDirectory
from master.scenario import Stage, load_scenario
from master.store import CHECKPOINT_KEY, CONTROLLER, Store
from master.store.thinned.parts import MINUTE_S, THINNED_KEY

HOUR_S = 3600
BY_SECOND = (
    "requests",
    "arrivals",
    "request_spans",
    "arrival_spans",
    "waiting",
    "seconds",
    "target",
    "controller",
    "fitness",
    "samples",
    "late_fitness",
    "late_samples",
    "fitness_packs",
    "sample_packs",
    "worker_seconds",
)
TIMES = {"events": "offset_s", "error_counts": "start_s"}


def main() -> int:
    """Lengthen the run that the arguments say, and judge it anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("hours", type=int)
    options = parser.parse_args()
    directory = RunDirectory(options.directory)
    scenario = load_scenario(directory.scenario, {"ApiUser"})
    with closing(Store(directory.database)) as store:
        checkpoint: Any = store.meta(CHECKPOINT_KEY)
        (first_s, end_s), *_ = checkpoint["steady_spans"]
        steady = SteadyPart([(first_s, end_s)])
        fitness, received = resume_fitness(store, steady)
        resume_seconds(store, steady, fitness, LiveRules(()), 0)
        due = len(steady.seconds()) - 2
        fitness.expect_controller(due, min(due, received[CONTROLLER]))
        nodes = [name for name in store.nodes() if name != CONTROLLER]
        for name in nodes:
            fitness.expect_samples(name, due, min(due, received[name]))
            fitness.add_clock_error(name, 0.5)
        longer_s = lengthen(store, options.hours * HOUR_S - int(end_s))
        end_s += longer_s
        checkpoint |= {"offset_s": checkpoint["offset_s"] + longer_s, "steady_spans": [(first_s, end_s)]}
        store.put_meta(CHECKPOINT_KEY, checkpoint)
        store.commit()
        hold = Stage(users=2 * len(nodes), spawn_rate=float(2 * len(nodes)), hold_s=end_s)
        scenario = replace(scenario, load=(hold,))
        facts = RunFacts(
            run_id=directory.name,
            started_at=datetime.now(UTC),
            duration_s=end_s,
            target=scenario.target,
            steady_seconds=SteadyPart([(first_s, end_s)]).seconds(),
            users_peak=2 * len(nodes),
            nodes_peak=len(nodes),
            nodes_lost=0,
            nodes_quarantined=0,
            ready_s=1.0,
            gaps=[],
            simulated=True,
            slowed=False,
            clocks_off={},
            dropped_messages={},
            unreported_workers=[],
            locust_version=locust_version,
        )
        result = conclude(scenario, store, fitness, facts)
        text = scenario.to_yaml()
        directory.scenario.write_text(text, encoding="utf-8")
        write_outcome(result, store, text, directory)
    sys.stdout.write(f"{result.verdict}: {result.reason}\n")
    return 0


def lengthen(store: Store, missing_s: int) -> int:
    """Repeat the thinned part so often that the run is longer by `missing_s` or more; by how much it is."""
    thinned = store.thinned()
    border_s = thinned.requests_before
    piece_s = border_s - 2 * MINUTE_S  # without the beginning, which is no hold
    copies = -(-missing_s // piece_s)
    longer_s, database = copies * piece_s, store._db
    for table, column in {**dict.fromkeys(BY_SECOND, "second"), **TIMES}.items():
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        if not columns:
            continue  # of an earlier version of these tables
        others = ", ".join(name for name in columns if name != column)
        database.execute(f"UPDATE {table} SET {column} = {column} + ? WHERE {column} >= ?", (longer_s, border_s))
        for copy in range(1, copies + 1):
            database.execute(
                f"INSERT INTO {table} ({column}, {others}) SELECT {column} + ?, {others} FROM {table}"
                f" WHERE {column} >= ? AND {column} < ?",
                (copy * piece_s, border_s - piece_s, border_s),
            )
            store.commit()
    moved = {
        name: getattr(thinned, name) + longer_s for name in ("requests_before", "fitness_before", "samples_before")
    }
    store.put_meta(THINNED_KEY, msgspec.to_builtins(msgspec.structs.replace(thinned, **moved)))
    store.commit()
    return longer_s


if __name__ == "__main__":
    sys.exit(main())
