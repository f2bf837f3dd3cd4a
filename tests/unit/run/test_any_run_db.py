"""Whatever rows run.db has, a result, a report and junit.xml are written, and no result with a fault is PASS."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import open_run
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from judged_run import SECONDS, fill, fit_log, run_facts, scenario

from master.judge.outcome import conclude
from master.report.files import write_outcome
from master.run.directory import RunDirectory
from master.store import Store
from worker.load.histogram import LAST_BUCKET, Histogram

RULES = (
    "p95 < 100 ms",
    "GET /x max < 1 s",
    "errors < 1 %",
    "rate > 1/s",
    "rate_per_user > 0.1/s",
    "p99 < 50 ms over 3s, abort",
    "GET /x errors < 5 %",
    "exceptions = 0",
)
OPEN_RULES = ("missed < 1 %", "arrival_rate > 1/s over 2s", "service p95 < 100 ms", "service max < 1 s over 3s")
LARGEST = (1 << 63) - 1

integers = st.one_of(st.integers(-5, SECONDS + 5), st.integers(-LARGEST - 1, LARGEST))
seconds = st.one_of(st.integers(0, SECONDS - 1), st.integers(0, SECONDS - 1), integers)
reals = st.one_of(st.floats(-10, 200), st.floats(allow_nan=False), integers)
texts = st.one_of(st.sampled_from(["", "GET", "/x", "pi1", "1 hold"]), st.text(max_size=8))
histograms = st.builds(
    lambda buckets, max_ms: Histogram(buckets, max_ms).encode(),
    st.dictionaries(st.integers(0, LAST_BUCKET), st.one_of(st.integers(1, 9), st.integers(1, LARGEST)), max_size=4),
    st.one_of(st.floats(0, 1e6), st.floats()),
)
blobs = st.one_of(histograms, histograms, histograms, st.binary(max_size=9))
OF_TYPE = {"INTEGER": integers, "REAL": reals, "TEXT": texts, "BLOB": blobs}
ENDPOINTS = st.integers(1, 3)


def columns_of(store: Store, table: str) -> list[tuple[str, str, bool]]:
    """Return the columns that can be written, each with its type and whether it may be NULL."""
    found = store._db.execute(f"PRAGMA table_xinfo({table})")
    return [(name, kind, not needed) for _, name, kind, needed, _, _, hidden in found if not hidden]


def put_any_rows(store: Store, draw: Any) -> None:
    tables = [
        name for (name,) in store._db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    for table in sorted(
        {*tables} & {"requests", "arrivals", "target", "seconds", "fitness", "samples", "events", "errors", "endpoints"}
    ):
        for _ in range(draw(st.integers(0, 4), label=f"rows of {table}")):
            row = {}
            for name, kind, nullable in columns_of(store, table):
                values = {"second": seconds, "endpoint": ENDPOINTS, "node": ENDPOINTS}.get(name, OF_TYPE[kind])
                row[name] = draw(st.one_of(st.none(), values) if nullable else values, label=f"{table}.{name}")
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            store._db.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", list(row.values()))


@settings(
    max_examples=min(60, settings().max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(st.data())
def test_there_is_always_a_result_and_a_report(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder))
        store = Store(directory.database, create=True)
        try:
            open_model = data.draw(st.booleans(), label="open model")
            if data.draw(st.booleans(), label="with a run that went well"):
                (open_run.fill if open_model else fill)(store)
            put_any_rows(store, data.draw)
            planned = open_run.scenario(*RULES, *OPEN_RULES) if open_model else scenario(*RULES)
            offered = data.draw(st.one_of(st.none(), integers), label="offered") if open_model else None
            result = conclude(planned, store, fit_log(), run_facts(offered=offered))
            assert not result.faults or result.verdict != "PASS"
            write_outcome(result, store, "name: any\n", directory)
        finally:
            store.close()
        written = json.loads(directory.result.read_bytes())
        assert written["verdict"] == result.verdict in {"PASS", "FAIL", "INVALID"}
        assert "the report" not in [fault.partition(":")[0] for fault in written["faults"]]
        assert ET.parse(directory.junit).getroot().find("testsuite") is not None
        assert result.verdict in directory.report.read_text(encoding="utf-8")
