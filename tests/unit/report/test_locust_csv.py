"""The files of --csv say what Locust's would say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from judged_run import fill, tally

from master.report.locust_csv import write_csv
from master.store import Store


@pytest.mark.parametrize(("latency_ms", "written"), [(1.2, "1"), (1.7, "2"), (7.8, "8")])
def test_percentiles_are_the_nearest_whole_milliseconds(tmp_path: Path, latency_ms: float, written: str) -> None:
    """Locust rounds a response time before it takes percentiles; what is cut off would make a target look faster."""
    database = tmp_path / "run.db"
    store = Store(database, create=True)
    fill(store, [tally(latency_ms)])
    store.close()
    write_csv(database, str(tmp_path / "load"))
    with (tmp_path / "load_stats.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["Name"], row["50%"], row["99%"]) for row in rows] == [
        (name, written, written) for name in ("/x", "Aggregated")
    ]
