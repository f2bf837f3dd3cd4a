"""The files of --csv say what Locust's would say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from judged_run import fill, tally
from thinned_run import thin

from master.report.locust_csv import write_csv
from master.store import SecondRow, Store


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


@pytest.mark.parametrize(("latency_ms", "written"), [(1.2, "1"), (1.7, "2"), (7.8, "8")])
def test_percentiles_are_the_nearest_whole_milliseconds(tmp_path: Path, latency_ms: float, written: str) -> None:
    """Locust rounds a response time before it takes percentiles; what is cut off would make a target look faster."""
    database = tmp_path / "run.db"
    store = Store(database, create=True)
    fill(store, [tally(latency_ms)])
    store.close()
    write_csv(database, str(tmp_path / "load"))
    assert [(row["Name"], row["50%"], row["99%"]) for row in rows_of(tmp_path / "load_stats.csv")] == [
        (name, written, written) for name in ("/x", "Aggregated")
    ]


def test_the_median_is_a_whole_number_as_in_the_columns_of_percentiles(tmp_path: Path) -> None:
    """Locust's median is one of its rounded response times; ours is not said to more digits than theirs."""
    database = tmp_path / "run.db"
    store = Store(database, create=True)
    fill(store, [tally(1.2, 7.8, 9.1)])
    store.close()
    write_csv(database, str(tmp_path / "load"))
    stats, history = rows_of(tmp_path / "load_stats.csv"), rows_of(tmp_path / "load_stats_history.csv")
    assert [row["Median Response Time"] for row in stats] == ["8", "8"]
    assert {row["Total Median Response Time"] for row in history} == {"8"}
    assert {row["50%"] for row in stats} == {"8"}


def test_a_thinned_part_has_a_row_of_the_history_for_each_minute(tmp_path: Path) -> None:
    """What run.db keeps by the minute counts in the minute's last second, at the mean rate; the figures of the whole are the same."""
    stats, history = [], []
    for name in ("whole", "thinned"):
        store = Store(tmp_path / f"{name}.db", create=True)
        for second in range(150):
            store.put_second(SecondRow(second, "1 hold", True, 10, 1, 0, 0))
            store.add_requests(second, ("GET", "/x"), tally(1.0, 2.0, 8.0), fit=True)
        store.commit()
        if name == "thinned":
            thin(store, [], [(0.0, 150.0)], 120)
        store.close()
        write_csv(tmp_path / f"{name}.db", str(tmp_path / name))
        stats.append((tmp_path / f"{name}_stats.csv").read_bytes())
        history.append(rows_of(tmp_path / f"{name}_stats_history.csv"))
    assert stats[0] == stats[1]
    whole, thinned = history
    assert (len(whole), len(thinned)) == (150, 2 + 30)
    assert [thinned[0], thinned[1]] == [whole[59], whole[119]]
    assert thinned[-1] == whole[-1]
    assert {float(row["Requests/s"]) for row in thinned} == {3.0}
