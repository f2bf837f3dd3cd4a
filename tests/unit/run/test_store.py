"""run.db: what is written is read back, late rows merge, and others can read while it is written."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from report_example import FACTS, fill, reading, tally

from master.errors import InputError
from master.store import (
    FOLD_AGAIN_S,
    FURTHER_EVENTS,
    FURTHER_KINDS,
    MAX_ENDPOINTS,
    MAX_ERROR_KINDS,
    MAX_ERRORS,
    MAX_EVENTS,
    OTHER,
    VERSION,
    ErrorRow,
    ErrorSpan,
    Event,
    FitnessRow,
    SampleBlock,
    SampleGroup,
    SampleRange,
    SecondRow,
    Store,
)
from worker.load.histogram import ArrivalTally, EndpointStats, Histogram
from worker.telemetry import conditions
from worker.wire.messages import Reading


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path, create=True)
    yield store
    store.close()


def temperatures(store: Store, node: str) -> list[tuple[int, float | None]]:
    return [(index, value) for index, _, value in store.sample_peaks(["temperature_c"], 0, 100, 1, node=node)]


def test_everything_comes_back_after_closing(path: Path) -> None:
    """A closed run.db is one file that holds what was written, types and unknown values included."""
    store = Store(path, create=True)
    row, open_row = SecondRow(3, "1 hold", True, 10, 2, 1, 0), SecondRow(4, "1 hold", True, 10, 2, 1, 0, 500)
    store.put_second(row)
    store.put_second(open_row)
    store.put_node("pi1", FACTS)
    store.put_samples([("pi1", 3, reading(None, 40.0)), ("pi2", 3, reading(61.5))])
    fitness = [
        FitnessRow("pi1", 3, 84.0, None, 7, "worker CPU unknown"),
        FitnessRow("pi2", 3, 2.0, 50.0, 9, "", userspace_timed=8),
    ]
    store.put_fitness(fitness)
    store.add_event(Event(3.5, "lost", None, "all of them"))
    store.put_meta("note", {"a": [1, None]})
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["run.db"]

    store = Store(path)
    assert store.seconds() == [row, open_row]
    assert store.nodes() == {"pi1": FACTS, "pi2": None}
    assert temperatures(store, "pi1") == [(3, None)]
    assert temperatures(store, "pi2") == [(3, 61.5)]
    assert list(store.unfit()) == fitness[:1]
    assert list(store.fitness()) == fitness
    assert store.lag_by_second() == {3: 84.0}
    assert store.events() == [Event(3.5, "lost", None, "all of them")]
    assert (store.meta("note"), store.meta("other")) == ({"a": [1, None]}, None)
    store.close()


def test_how_many_requests_a_workers_own_clock_ended_is_kept_and_added_up(store: Store) -> None:
    store.add_requests(5, ("GET", "/a"), EndpointStats(9, userspace_timed=7), fit=True)
    store.add_requests(5, ("GET", "/a"), EndpointStats(4, userspace_timed=2), fit=True)
    assert [(part.total, part.userspace_timed) for _, _, part, *_ in store.requests()] == [(13, 9)]


def test_late_requests_merge_with_their_second(store: Store) -> None:
    """Requests that come late merge with their second, and those of fit and unfit nodes stay apart."""
    store.add_requests(5, ("GET", "/a"), tally(1.0, 2.0), fit=True)
    store.add_requests(6, ("GET", "/a"), tally(9.0), fit=True)
    store.add_requests(5, ("GET", "/a"), tally(300.0, failed=1), fit=True)
    store.add_requests(5, ("GET", "/a"), tally(7.0), fit=False)
    found = {(second, fit): part for second, _, part, fit, _ in store.requests()}
    assert list(found) == [(5, False), (5, True), (6, True)]
    whole = found[5, True]
    assert (whole.total, whole.failed, whole.received_bytes) == (3, 1, 300)
    assert whole.histogram.buckets == tally(1.0, 2.0, 300.0).histogram.buckets
    assert whole.histogram.max_ms == 300.0


def of(*values_ms: float) -> Histogram:
    histogram = Histogram()
    for value_ms in values_ms:
        histogram.add(value_ms)
    return histogram


def test_service_times_are_kept_where_they_differ_from_latencies(store: Store) -> None:
    """A tally without service times of its own adds its latencies to those that are there; without any, none are stored."""
    store.add_requests(5, ("GET", "/a"), EndpointStats(1, histogram=of(30.0)), fit=True)
    store.add_requests(5, ("GET", "/a"), EndpointStats(1, histogram=of(90.0), service=of(20.0)), fit=True)
    store.add_requests(5, ("GET", "/a"), EndpointStats(1, histogram=of(10.0)), fit=True)
    store.add_requests(6, ("GET", "/a"), EndpointStats(1, histogram=of(40.0), service=of(40.0)), fit=True)
    first, second = (tally for _, _, tally, *_ in store.requests())
    assert first.histogram.buckets == of(10.0, 30.0, 90.0).buckets
    assert first.service is not None
    assert (first.service.buckets, first.service.max_ms) == (of(10.0, 20.0, 30.0).buckets, 30.0)
    assert second.service is None
    assert second.service_times.buckets == of(40.0).buckets


def test_arrivals_merge_with_their_second_by_class_and_fitness(store: Store) -> None:
    """What workers report of one second and class is added up, apart for those that were not fit."""
    store.add_arrivals(5, "Buyer", ArrivalTally(4, 1, 2, 0, of(0.2, 0.3, 12.0, 15.0)), fit=True)
    store.add_arrivals(5, "Buyer", ArrivalTally(0, 3, 0, 7, Histogram()), fit=False)
    store.add_arrivals(4, "Reader", ArrivalTally(1, 0, 0, 0, of(0.1)), fit=True)
    store.add_arrivals(5, "Buyer", ArrivalTally(2, 0, 0, 1, of(0.4, 0.5)), fit=True)
    found = [(second, name, fit, tally) for second, name, tally, fit in store.arrivals()]
    assert [row[:3] for row in found] == [(4, "Reader", True), (5, "Buyer", False), (5, "Buyer", True)]
    tally = found[2][3]
    assert (tally.started, tally.missed, tally.late, tally.given_up, tally.decided) == (6, 1, 2, 1, 8)
    assert (tally.lateness.count, tally.lateness.max_ms) == (6, 15.0)
    assert (found[1][3].missed, found[1][3].given_up, found[1][3].lateness.buckets) == (3, 7, {})


def test_a_damaged_lateness_costs_no_counts(store: Store) -> None:
    """Arrivals whose histogram is damaged are counted, and their second is noted."""
    store.add_arrivals(5, "Buyer", ArrivalTally(4, 1, 2, 0, of(0.2)), fit=True)
    store.commit()
    store._db.execute("UPDATE arrivals SET lateness = x'ff'")
    ((_, _, tally, _),) = store.arrivals()
    assert (tally.started, tally.lateness.buckets, store.damaged_lateness) == (4, {}, {5})


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (0x00, (None, None, None, None)),
        (0xF0, (0, 0, 0, 0)),
        (0xFA, (0, 1, 0, 1)),
        (0x55, (1, None, 1, None)),
        (0x0F, (None,) * 4),
    ],
)
def test_what_holds_a_node_back_can_be_read_one_by_one(
    store: Store, path: Path, conditions: int, expected: tuple[int | None, ...]
) -> None:
    """The conditions of a sample can be read one by one with plain SQL, and an unknown one is NULL."""
    store.put_samples([("pi1", 1, msgspec.structs.replace(reading(), conditions_lately=conditions))])
    store.commit()
    with contextlib.closing(sqlite3.connect(path)) as other:
        columns = "under_voltage, frequency_capped, throttled, soft_limited"
        assert other.execute(f"SELECT {columns} FROM samples").fetchall() == [expected]


def test_of_two_samples_in_a_second_the_later_stays(store: Store) -> None:
    """Of two samples in a second the later one is kept, since a node has one reading per second."""
    store.put_samples([("pi1", 1, reading(50.0)), ("pi1", 1, reading(51.0))])
    assert temperatures(store, "pi1") == [(1, 51.0)]


def test_another_connection_reads_while_it_is_written(path: Path, store: Store) -> None:
    """A reader sees what was committed, holds up nobody, and may close while the writer goes on."""
    store.add_requests(0, ("GET", "/a"), tally(1.0), fit=True)
    store.commit()
    store.add_requests(1, ("GET", "/a"), tally(1.0), fit=True)
    reader = Store(path)
    assert [second for second, *_ in reader.requests()] == [0]
    store.commit()
    assert [second for second, *_ in reader.requests()] == [0, 1]
    reader.close()
    store.add_requests(2, ("GET", "/a"), tally(1.0), fit=True)
    store.commit()


def test_the_writer_closes_while_another_reads(path: Path) -> None:
    """A reader that still reads at the end of a run does not disturb the writer's closing."""
    store = Store(path, create=True)
    store.add_requests(0, ("GET", "/a"), tally(1.0), fit=True)
    store.commit()
    reader = Store(path)
    rows = reader.requests()
    next(rows)
    store.close()
    reader.close()
    again = Store(path)
    assert len(list(again.requests())) == 1
    again.close()


def test_a_short_look_at_the_end_leaves_one_file(path: Path) -> None:
    """A reader that looks for some milliseconds just as a run ends is waited for, so that one file without a log remains."""
    store = Store(path, create=True)
    store.put_meta("verdict", "PASS")
    store.commit()
    reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
    assert reader.execute("SELECT value FROM meta").fetchall() == [('"PASS"',)]
    leaving = threading.Timer(FOLD_AGAIN_S, reader.close)
    leaving.start()
    store.close()
    leaving.join()
    assert [file.name for file in path.parent.iterdir()] == ["run.db"]


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    """A path that looks like part of a URI is opened as a path."""
    path = tmp_path / "50 % of #1?.db"
    Store(path, create=True).close()
    Store(path).close()


def test_a_file_that_is_not_there_is_not_made(path: Path) -> None:
    """Opening a run.db that does not exist is an error and creates no file."""
    with pytest.raises(InputError, match="is not there"):
        Store(path)
    assert not path.exists()


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _set_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b""), "not made by this version of piswarm: it is empty"),
        (lambda path: path.write_bytes(b"no database at all, but long enough for one" * 50), "is no run.db"),
        (_cut, "is no run.db"),
        (_set_version, f"its tables are of version {VERSION + 1}, those here of {VERSION}"),
    ],
)
def test_what_is_no_run_of_this_version_is_refused_unchanged(
    path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    """An empty run.db, or one of another kind or version, or cut off, is refused with one message and not changed."""
    store = Store(path, create=True)
    for second in range(300):
        store.put_second(SecondRow(second, "1 hold", True, 1, 1, 0, 0))
    store.close()
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=words):
        Store(path)
    assert path.read_bytes() == before


def test_errors_add_up_and_their_kinds_are_bounded(store: Store) -> None:
    """The same error counts up, and beyond the cap further different errors share one row."""
    for number in range(MAX_ERRORS + 5):
        store.add_error(ErrorRow("GET", "/a", f"error {number}", 1, number + 1.0))
    store.add_error(ErrorRow("GET", "/a", "error 7", 9, 0.5))
    rows = store.errors()
    assert len(rows) == MAX_ERRORS + 1
    assert rows[0] == ErrorRow("GET", "/a", "error 7", 10, 0.5)
    assert rows[1].error.startswith("further errors")
    assert (rows[1].occurrences, rows[1].first_s) == (5, MAX_ERRORS + 1.0)


def test_errors_over_time_are_counted_by_kind_and_span(path: Path) -> None:
    """An error's text counts in its span of time at whatever endpoint, also after a resume, and beyond the cap further texts share one."""
    store = Store(path, create=True)
    store.add_error(ErrorRow("GET", "/a", "status 500", 2, 9.9))
    store.add_error(ErrorRow("GET", "/b", "status 500", 3, 0.0))
    store.add_error(ErrorRow("GET", "/a", "status 500", 4, 10.0))
    store.close()
    store = Store(path)
    store.add_error(ErrorRow("GET", "/a", "status 500", 1, 19.0))
    for number in range(MAX_ERROR_KINDS + 2):
        store.add_error(ErrorRow("GET", "/a", f"error {number}", 7, 31.0))
    store.commit()
    found = list(store.errors_over_time())
    assert found[:2] == [ErrorSpan(0, "status 500", 5), ErrorSpan(10, "status 500", 5)]
    assert found[-1] == ErrorSpan(30, FURTHER_KINDS, 3 * 7)
    assert len(found) == 2 + MAX_ERROR_KINDS
    store.close()


def test_endpoints_beyond_the_most_count_for_one(path: Path) -> None:
    """Endpoints beyond the maximum share one row, also after a resume, so that numbers in names fill neither memory nor report."""
    store = Store(path, create=True)
    for number in range(MAX_ENDPOINTS + 3):
        store.add_requests(1, ("GET", f"/{number}"), tally(1.0), fit=True)
    store.close()
    store = Store(path)
    assert store.counted_as(("GET", "/7")) == ("GET", "/7")
    assert store.counted_as(("GET", "/new")) == OTHER
    found = {endpoint: tally.total for _, endpoint, tally, *_ in store.requests()}
    assert len(found) == MAX_ENDPOINTS + 1
    assert found[OTHER] == 3
    store.close()


def test_an_endpoint_to_be_kept_apart_has_a_place_however_many_there_are(path: Path) -> None:
    """An endpoint with a threshold on it has a row of its own, even as the last to come, and after a resume."""
    judged = ("POST", "/checkout")
    for create in (True, False):
        store = Store(path, create=create, reserved=[judged, ("GET", "/never")])
        for number in range(MAX_ENDPOINTS + 3):
            store.add_requests(1, ("GET", f"/{number}"), tally(1.0), fit=True)
        assert store.counted_as(("POST", "/other")) == OTHER
        if not create:
            assert store.counted_as(judged) == judged
        store.close()


def test_events_beyond_the_most_are_counted(store: Store) -> None:
    """Of the events beyond the maximum the number and the latest are stored, since the first ones show where trouble starts."""
    for number in range(MAX_EVENTS + 3):
        store.add_event(Event(float(number), "lost", "pi1", f"time {number}"))
    store.commit()
    store.add_event(Event(1e6, "lost", "pi2", "for good"))
    store.commit()
    *kept, last = store.events()
    assert [event.detail for event in kept] == [f"time {number}" for number in range(MAX_EVENTS)]
    assert last == Event(1e6, FURTHER_EVENTS, None, "4, the latest of which: lost pi2 for good")


def test_the_count_of_further_events_goes_on_when_a_run_is_resumed(path: Path) -> None:
    """A controller that resumes a run counts on from the former one's number of further events."""
    store = Store(path, create=True)
    for number in range(MAX_EVENTS + 3):
        store.add_event(Event(float(number), "lost", "pi1", f"time {number}"))
    store.close()
    for resumed in (1, 2):
        store = Store(path)
        store.add_event(Event(1e6, "lost", "pi2", "again"))
        store.close()
        store = Store(path)
        *kept, last = store.events()
        store.close()
        assert len(kept) == MAX_EVENTS
        assert last.detail == f"{3 + resumed}, the latest of which: lost pi2 again"


def test_an_unknown_column_is_refused(store: Store) -> None:
    """An unknown column is refused, since columns are part of a query."""
    for column in ("name; DROP TABLE samples", "1"):
        with pytest.raises(ValueError, match="samples have no"):
            store.sample_peaks(["cpu_percent", column], 0, 9, 1)


def test_sample_blocks_have_the_lowest_mean_and_highest_of_each_span(store: Store) -> None:
    """A block counts its samples, leaves out values that are unknown, and is None where none is known."""
    values = {2: 50.0, 3: None, 4: 40.0, 8: None, 11: 70.0, 12: 99.0}
    store.put_samples(("pi1", second, reading(value)) for second, value in values.items())
    store.put_samples([("pi2", 3, reading(60.0))])
    blocks = list(store.sample_blocks(["temperature_c", "cpu_percent"], 2, 12, 3))
    cpu = SampleRange(20.0, 20.0, 20.0)
    assert blocks == [
        SampleBlock(0, "pi1", 3, (SampleRange(40.0, 45.0, 50.0), cpu)),
        SampleBlock(0, "pi2", 1, (SampleRange(60.0, 60.0, 60.0), cpu)),
        SampleBlock(2, "pi1", 1, (None, cpu)),
        SampleBlock(3, "pi1", 1, (SampleRange(70.0, 70.0, 70.0), cpu)),
    ]
    only = store.sample_blocks(["temperature_c", "cpu_percent"], 2, 12, 3, node="pi2")
    assert list(only) == [block for block in blocks if block.node == "pi2"]
    with pytest.raises(ValueError, match="samples have no"):
        next(store.sample_blocks(["name"], 0, 9, 1))


def test_sample_peaks_are_the_largest_values_of_their_spans(store: Store) -> None:
    """Peaks of samples are those of spans from the given second; unknown values hide no known ones, and nodes stay apart."""
    values = {-1: 99.0, 2: 50.0, 3: None, 4: 47.0, 8: None, 11: 70.0, 12: 99.0}
    store.put_samples(("pi1", second, reading(value)) for second, value in values.items())
    store.put_samples([("pi2", 3, reading(60.0))])
    columns = ["temperature_c", "cpu_percent"]
    alone = [(0, "pi1", 50.0, 20.0), (2, "pi1", None, 20.0), (3, "pi1", 70.0, 20.0)]
    assert list(store.sample_peaks(columns, 2, 12, 3, node="pi1")) == alone
    assert list(store.sample_peaks(columns, 2, 12, 3)) == [alone[0], (0, "pi2", 60.0, 20.0), *alone[1:]]
    assert list(store.sample_peaks(["cpu_percent"], 2, 12, 3, node="pi9")) == []


def test_the_extent_is_that_of_the_run(store: Store) -> None:
    """A run's length is that of its seconds and requests, or without any, that of its samples."""
    assert store.extent() == (0, 0)
    store.put_samples([("pi1", 4, reading()), ("pi1", 14, reading())])
    assert (store.extent(), store.sample_period_s()) == ((4, 15), 10)
    fill(store, seconds=8)
    assert store.extent() == (0, 8)


def test_samples_are_grouped_by_what_held_a_node_back(store: Store) -> None:
    """Samples are grouped by the node's conditions, with the extremes of each group as far as known, and the number of hot ones."""
    throttled = conditions.pack_flags(conditions.THROTTLED)

    def sample(second: int, temperature_c: float | None, lately: int, hz: float | None) -> tuple[str, int, Reading]:
        return "pi1", second, msgspec.structs.replace(reading(temperature_c), conditions_lately=lately, frequency_hz=hz)

    store.put_samples([sample(1, 70.0, 0xF0, 1.8e9), sample(2, 81.0, 0xF0, 1.7e9), sample(3, 84.0, throttled, 1.0e9)])
    store.put_samples([sample(4, None, 0, None), sample(9, 99.0, 0xF0, 0.6e9)])
    assert sorted(store.sample_groups(1, 9, hot_c=80.0), key=lambda group: group.conditions) == [
        SampleGroup("pi1", 0, 1, 0, None, 20.0, None, None),
        SampleGroup("pi1", 0xF0, 2, 1, 81.0, 20.0, 1.7e9, 1.8e9),
        SampleGroup("pi1", throttled, 1, 1, 84.0, 20.0, 1.0e9, 1.0e9),
    ]


def test_the_fewest_users_of_a_node_are_those_of_all_its_workers(store: Store) -> None:
    """A node's fewest users are those of all its workers, and seconds that a worker has not reported are no zeros."""
    told = [("pi1", 1, 4, 0), ("pi1", 1, 3, 1), ("pi1", 2, 2, 0), ("pi2", 1, 0, 0), ("pi3", 9, 5, 0)]
    store.put_fitness(
        FitnessRow(node, second, 1.0, 1.0, 0, "", users=users, worker=worker) for node, second, users, worker in told
    )
    assert dict(store.fewest_users(0, 9)) == {"pi1": 5, "pi2": 0}
    store.put_fitness(FitnessRow("pi3", second, 900.0, 40.0, 1, "loop lag", users=None) for second in range(9))
    assert "pi3" not in dict(store.fewest_users(0, 9)), "a worker that was too late to count its users in any second"
