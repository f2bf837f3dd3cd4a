"""A run as tables: what is written is what docs say and what run.db has, whole or not at all, and no text is a formula."""

from __future__ import annotations

import csv
import shutil
import signal
import sqlite3
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import open_run
import pyarrow.parquet as pq
import pytest
import report_example
from described_export import described
from played_nodes import Traffic
from played_run import PlayedRun, Troubles
from report_example import HOSTILE
from thinned_run import thin

from master.analysis.runs import StoredRun
from master.cli import main
from master.errors import AbortError, InputError
from master.export.cells import cell
from master.export.export import export
from master.export.parquet_file import RECORD, file_schema
from master.export.schema import TABLES, Kind
from master.store import ExceptionRow, FitnessRow, SecondRow, Store, TargetRow
from worker.printable import printable
from worker.telemetry.conditions import THROTTLED, pack_flags

ROOT = Path(__file__).parents[3]


def put_run(path: Path, store: Store) -> Path:
    """A run directory at `path` around an open run.db, which is closed."""
    store.close()
    return put_result(path)


def put_result(path: Path) -> Path:
    """The other files of a run directory."""
    report_example.result().write(path / "result.json")
    (path / "scenario.yml").write_text("name: example\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with rows in every table."""
    path = tmp_path_factory.mktemp("export") / "run"
    path.mkdir()
    store = Store(path / "run.db", create=True)
    report_example.fill(store)
    store.add_exception(ExceptionRow("ApiUser", "ValueError", "=1+1", "locustfile.py:3", "raise", 2, 1.5))
    store.put_target(TargetRow(3, 12.5, None))
    store.add_arrivals(3, "ApiUser", open_run.arrivals(93, missed=4, late=2, given_up=1), fit=True)
    hot = msgspec.structs.replace(report_example.reading(80.0), conditions_lately=pack_flags(THROTTLED))
    store.put_samples([("pi2", 25, hot)])
    store.commit()
    return put_run(path, store)


def silent(_: str) -> None:
    """Progress that nobody reads."""


def written(directory: Path, name: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with (directory / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def piswarm(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["piswarm", "export", *map(str, words)])
    try:
        return main()
    except SystemExit as end:
        return int(end.code or 0)


def test_every_table_and_column_is_described_and_nothing_else(run: Path, tmp_path: Path) -> None:
    """The documentation has each table with each column, its type and its meaning, and the files have these columns in this order."""
    page = (ROOT / "docs/performance/export.md").read_text(encoding="utf-8")
    for table in TABLES:
        assert described(table) in page, f"docs/performance/export.md lacks:\n{described(table)}"
    assert page.count("\n### ") == len(TABLES)
    export(run, tmp_path / "csv", "csv", (), silent)
    assert {path.stem for path in (tmp_path / "csv").iterdir()} == {table.name for table in TABLES}
    for table in TABLES:
        with (tmp_path / "csv" / f"{table.name}.csv").open(encoding="utf-8", newline="") as file:
            assert next(csv.reader(file)) == [column.name for column in table.columns]
        assert written(tmp_path / "csv", table.name), f"the test has no row of {table.name}"


def test_both_formats_have_the_same_rows(run: Path, tmp_path: Path) -> None:
    """Parquet has the rows of each CSV file under the name of its table, typed, and null in all columns of others."""
    export(run, tmp_path / "csv", "csv", (), silent)
    export(run, tmp_path / "run.parquet", "parquet", (), silent)
    whole = pq.read_table(tmp_path / "run.parquet")
    assert whole.schema.equals(file_schema())
    assert whole.schema.metadata[b"schema"] == b"piswarm/export/1"
    rows = whole.to_pylist()
    for table in TABLES:
        kinds = {column.name: column.kind for column in table.columns}
        found = [row for row in rows if row[RECORD] == table.name]
        expected = written(tmp_path / "csv", table.name)
        assert len(found) == len(expected)
        for row, cells in zip(found, expected, strict=True):
            shown = {name: (cell(row[name]) or None) if kinds[name] == "text" else row[name] for name in kinds}
            assert shown == {name: parsed(kinds[name], text) for name, text in cells.items()}
            assert all(value is None for name, value in row.items() if name not in {RECORD, *kinds})


def parsed(kind: Kind, text: str) -> object:
    """The value of a CSV file's cell."""
    if not text:
        return None
    return {"integer": int, "number": float, "boolean": lambda said: said == "true", "text": str}[kind](text)


def test_requests_add_up_to_those_of_run_db(run: Path, tmp_path: Path) -> None:
    """No request is lost or counted twice, unfit ones are apart, and the steady part is told."""
    export(run, tmp_path / "csv", "csv", ("requests", "percentiles"), silent)
    rows = written(tmp_path / "csv", "requests")
    with StoredRun.open(run).store() as store:
        assert sum(int(row["requests"]) for row in rows) == sum(row.tally.total for row in store.requests())
    (unfit,) = (row for row in rows if row["fit"] == "false")
    assert (unfit["second"], unfit["p50_ms"], unfit["steady"]) == ("15", "900.0", "true")
    assert {row["second"] for row in rows if row["steady"] == "false"} == set(map(str, range(10)))
    of_all = {row["percent"]: row["latency_ms"] for row in written(tmp_path / "csv", "percentiles") if not row["name"]}
    assert of_all["100.0"] == "40.0"  # what was measured by an unfit worker is not in it


def test_percentiles_need_no_other_table(run: Path, tmp_path: Path) -> None:
    """The percentiles are the same whether the requests are written or not."""
    export(run, tmp_path / "one", "csv", ("percentiles",), silent)
    export(run, tmp_path / "both", "csv", ("percentiles", "requests"), silent)
    assert written(tmp_path / "one", "percentiles") == written(tmp_path / "both", "percentiles") != []


def test_samples_say_which_conditions_held(run: Path, tmp_path: Path) -> None:
    """A reading with a throttled clock is counted as such; where conditions are not known, nothing is said."""
    export(run, tmp_path / "csv", "csv", ("samples",), silent)
    rows = written(tmp_path / "csv", "samples")
    (hot,) = (row for row in rows if (row["node"], row["second"]) == ("pi2", "25"))
    assert (hot["throttled_samples"], hot["under_voltage_samples"], hot["temperature_c_max"]) == ("1", "0", "80.0")
    assert all(row["throttled_samples"] == "" for row in rows if row is not hot)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ('"=1', "'\"=1"),
        ("＝1", "'＝1"),  # noqa: RUF001
        ("'=1", "''=1"),
        ("'", "''"),
        ("a;=1+1", "a;'=1+1"),
        ("a; @x;b", "a;' @x;b"),
        ("GET /a=b", "GET /a=b"),
        ("a-b", "a-b"),
        ("", ""),
        ("a\nb\x00", "a\\nb\\x00"),
    ],
)
def test_no_text_is_a_formula(text: str, shown: str) -> None:
    """What a spreadsheet would run has an apostrophe before it; any other text stays as it is, with its control characters visible."""
    assert cell(text) == shown


def test_hostile_names_stay_in_their_cell(run: Path, tmp_path: Path) -> None:
    """A name with quotes, separators and control characters is one cell in CSV, and as it was in Parquet."""
    export(run, tmp_path / "csv", "csv", ("errors", "exceptions"), silent)
    export(run, tmp_path / "run.parquet", "parquet", ("errors",), silent)
    (row,) = written(tmp_path / "csv", "errors")
    assert row["name"] == printable(HOSTILE)
    assert written(tmp_path / "csv", "exceptions")[0]["message"] == "'=1+1"
    assert pq.read_table(tmp_path / "run.parquet").to_pylist()[0]["name"] == HOSTILE


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_nothing_that_is_there_is_overwritten(run: Path, tmp_path: Path, form: Any) -> None:
    """A file, a directory that is not empty and a dangling link are refused and stay; an empty directory is taken for CSV."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "full", "link"):
        with pytest.raises(InputError, match="is there already") as caught:
            export(run, tmp_path / name, form, (), silent)
        assert caught.value.hint
    assert (tmp_path / "full" / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    export(run, tmp_path / "empty", "csv", ("run",), silent)
    assert written(tmp_path / "empty", "run")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_ctrl_c_leaves_nothing(run: Path, tmp_path: Path, form: Any) -> None:
    """An interrupt in the middle is status 4, and neither the target nor any part of it is left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(text: str) -> None:
        if "samples" in text:
            signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(AbortError, match="nothing was written"):
            export(run, tmp_path / "out", form, (), interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_damaged_run_leaves_nothing(run: Path, tmp_path: Path, form: Any) -> None:
    """A run.db of which a part is overwritten is an error of the input, and no half export is left."""
    damaged = Path(shutil.copytree(run, tmp_path / "damaged"))
    content = bytearray((damaged / "run.db").read_bytes())
    content[8192:] = b"\xaa" * (len(content) - 8192)
    (damaged / "run.db").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.db"):
        export(damaged, tmp_path / "out", form, (), silent)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_what_can_not_be_written_is_told(run: Path) -> None:
    """A place that does not exist or takes no files is refused with what to do."""
    for target in (Path("/nowhere/out"), Path("/proc/out")):
        with pytest.raises(InputError, match="can't be written"):
            export(run, target, "csv", (), silent)


def test_the_command_writes_what_is_asked_for(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """--csv or --parquet is needed, not both; --only names tables; nothing is said where it is quick."""
    assert piswarm(monkeypatch, run, "--csv", tmp_path / "csv", "--only", "events, errors") == 0
    assert capsys.readouterr() == ("", "")
    assert {path.name for path in (tmp_path / "csv").iterdir()} == {"events.csv", "errors.csv"}
    assert piswarm(monkeypatch, run, "--parquet", tmp_path / "run.parquet") == 0
    for words in (
        (run,),
        (run, "--csv", tmp_path / "a", "--parquet", tmp_path / "b"),
        (run, "--csv", tmp_path / "a", "--only", "request"),
        (tmp_path, "--csv", tmp_path / "a"),
    ):
        assert piswarm(monkeypatch, *words) == 2
        assert len(capsys.readouterr().err.splitlines()) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"csv", "run.parquet"}


def test_a_longer_run_takes_no_more_memory(tmp_path: Path) -> None:
    """Four times as many rows are exported with the same memory, but for the file's own counts."""
    peaks = []
    for seconds in (150, 600):
        path = tmp_path / f"run-{seconds}"
        path.mkdir()
        store = Store(path / "run.db", create=True)
        _fill_long(store, seconds)
        run = put_run(path, store)
        tracemalloc.start()
        export(run, tmp_path / f"csv-{seconds}", "csv", ("requests", "percentiles", "samples", "fitness"), silent)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 600 * 500  # a row of `seconds`, which is read as a whole


def test_a_thinned_run_has_the_same_requests_samples_and_fitness(tmp_path: Path) -> None:
    """Once minutes stand for seconds, requests and samples add up to the same, percentiles are the same, and no worker-second is lost."""
    found = []
    for name, thinned_s in (("whole", 0), ("thinned", 120)):
        path = tmp_path / name
        path.mkdir()
        store = Store(path / "run.db", create=True)
        _fill_long(store, 180)
        thin(store, (), [(0.0, 180.0)], thinned_s)
        out = tmp_path / f"{name}-csv"
        export(put_run(path, store), out, "csv", ("requests", "percentiles", "samples", "fitness"), silent)
        found.append({table: written(out, table) for table in ("requests", "percentiles", "samples", "fitness")})
    whole, thinned = found
    for table, column in (("requests", "requests"), ("samples", "samples"), ("fitness", "requests")):
        assert sum(int(row[column]) for row in thinned[table]) == sum(int(row[column]) for row in whole[table])
    assert {row["span_s"] for row in thinned["requests"]} == {"1", "60"}
    assert {row["samples"] for row in thinned["samples"]} == {"1", "60"}
    assert thinned["percentiles"] == whole["percentiles"]
    assert len(thinned["fitness"]) == len(whole["fitness"])


def _fill_long(store: Store, seconds: int) -> None:
    nodes = [f"pi{number}" for number in range(20)]
    for second in range(seconds):
        store.put_second(SecondRow(second, "1 hold", True, 5, 20, 0, 0))
        for number in range(10):
            store.add_requests(second, ("GET", f"/{number}"), report_example.tally(1.0, 20.0, 300.0), fit=True)
        store.put_samples([(node, second, report_example.reading()) for node in nodes])
        store.put_fitness([FitnessRow(node, second, 1.0, 20.0, 3, "", users=10) for node in nodes])
    store.commit()


def test_a_played_run_is_exported_as_its_controller_stored_it(tmp_path: Path) -> None:
    """Of a run of the controller's own parts, each request, sample and worker-second is in the tables, and nothing more."""
    path = tmp_path / "run"
    path.mkdir()
    calm = Troubles(lost=False, clocks=False, restarts=False)
    with PlayedRun(path / "run.db", nodes=4, traffic=Traffic(5), step_s=1.0, reporters=4, troubles=calm) as played:
        for _ in range(20):
            played.step(1.0)
        samples = played.samples
    run = put_result(path)
    export(run, tmp_path / "csv", "csv", (), silent)
    with StoredRun.open(run).store() as store:
        requests, fitness = list(store.requests()), list(store.fitness())
    assert sum(int(row["requests"]) for row in written(tmp_path / "csv", "requests")) == sum(
        row.tally.total for row in requests
    )
    assert len(written(tmp_path / "csv", "fitness")) == len(fitness) > 0
    of_nodes = [row for row in written(tmp_path / "csv", "samples") if row["node"] != "controller"]
    assert 0 < sum(int(row["samples"]) for row in of_nodes) <= samples
    assert {row["node"] for row in written(tmp_path / "csv", "nodes")} >= {node.name for node in played.nodes}


def test_what_can_not_be_read_is_said(run: Path, tmp_path: Path) -> None:
    """A damaged histogram costs its latencies alone, and it is said how many rows lack them."""
    damaged = Path(shutil.copytree(run, tmp_path / "damaged"))
    with closing(sqlite3.connect(damaged / "run.db")) as database, database:
        database.execute("UPDATE requests SET histogram = x'00' WHERE second = 12")
    (said,) = export(damaged, tmp_path / "csv", "csv", ("requests",), silent)
    assert said.startswith("requests: 2 rows without latencies")
    lacking = [row for row in written(tmp_path / "csv", "requests") if row["second"] == "12"]
    assert {row["p50_ms"] for row in lacking} == {""}
    assert all(int(row["requests"]) for row in lacking)
