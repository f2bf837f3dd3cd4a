"""The nodes in the report: temperature, clock, users and throttling, thinned without losing what a reader looks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from report_example import FACTS, PI4, PI5, fill_hot, hot_reading, reading

from master.report.figures.charts import Timeline
from master.report.figures.node_comparison import comparison_figure
from master.report.fleet import FleetMap, NodeTrack, fleet_map
from master.report.page.fleet_makeup import boards
from master.report.throttling_table import flagged_nodes, seconds_text, shown_first, throttling_row, throttling_unknown
from master.store import FitnessRow, SecondRow, Store
from worker.telemetry import conditions
from worker.telemetry.conditions import SOFT_LIMITED, THROTTLED, UNDER_VOLTAGE
from worker.wire.messages import Reading


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    yield store
    store.close()


@pytest.fixture
def fleet(store: Store) -> FleetMap:
    fill_hot(store, nodes=8, seconds=100)
    return fleet_map(store, 0, 100, [(10, 100)])


def track(fleet: FleetMap, name: str) -> NodeTrack:
    return fleet.tracks[fleet.nodes.index(name)]


def told(second: int, lately: int, hz: float | None = 1.8e9) -> tuple[str, int, Reading]:
    return "pi1", second, msgspec.structs.replace(reading(), conditions_lately=lately, frequency_hz=hz)


def test_heat_clock_and_users_move_together(fleet: FleetMap) -> None:
    """A node throttled by heat shows it in the same columns as its clock falls, and its users fall a little later."""
    one = track(fleet, "pi1")
    assert [index for index, value in enumerate(one.conditions) if value and value & THROTTLED] == [*range(40, 70)]
    assert [index for index, percent in enumerate(one.clock_percent) if percent == 40] == [*range(40, 70)]
    assert [index for index, users in enumerate(one.users) if users == 2 and index > 20] == [*range(45, 80)]
    assert (one.users_first, one.users_fewest, one.users_last) == (4, 2, 4)
    assert one.temperature_c[50] == one.highest_c == 84.0
    assert (one.active(THROTTLED), one.unknown(THROTTLED), one.flagged, one.samples) == (30, 0, 30, 100)
    assert one.hot == len([*range(35, 70), *range(70, 81)])


def test_what_is_unknown_is_neither_zero_nor_well(fleet: FleetMap) -> None:
    """Where a node has no sample, clock or conditions, rows have None and the table says `unknown`."""
    silent, blind = track(fleet, "pi4"), track(fleet, "pi3")
    for row in (silent.temperature_c, silent.clock_percent, silent.users, silent.conditions):
        assert [index for index, value in enumerate(row) if value is None] == [*range(60, 75)]
    assert blind.clock_percent == [None] * 100
    assert blind.unknown(THROTTLED) == 100
    assert set(throttling_row(blind, 1).seconds) == {"unknown"}
    assert throttling_row(blind, 1).lowest_clock == "unknown"
    assert throttling_unknown(fleet) == (["pi3"], [])


def test_a_column_keeps_what_a_reader_looks_for(store: Store) -> None:
    """A column keeps the lowest clock, the fewest users, and a condition of one second in 180; what it does not know stays so."""
    store.put_second(SecondRow(86399, "1 hold", True, 1, 1, 0, 0))
    store.put_node("pi1", PI4)
    store.put_samples(
        [told(0, 0xF0), told(40000, conditions.pack_flags(THROTTLED), 0.6e9), told(40001, 0xF0), told(40002, 0)]
    )
    store.put_fitness(FitnessRow("pi1", second, 1.0, 1.0, 0, "", users=3) for second in range(39900, 40100))
    store.put_fitness([FitnessRow("pi1", 40003, 1.0, 1.0, 0, "", users=1)])
    one = fleet_map(store, 0, 86400).tracks[0]
    index = 40000 // 180
    assert (len(one.users), one.clock_percent[index], one.users[index]) == (480, 33, 1)
    assert conditions.flag_state(one.conditions[index] or 0, THROTTLED) is True
    assert conditions.flag_state(one.conditions[index] or 0, UNDER_VOLTAGE) is None
    assert one.conditions[0] == 0xF0
    assert one.conditions[1] is None


def test_users_of_the_ramp_are_not_the_fewest_of_the_steady_part(store: Store) -> None:
    """Neither users in the ramp, also in a column with steady seconds, nor a last report's zeros count as the fewest
    steady users.
    """
    store.put_second(SecondRow(1199, "1 hold", True, 1, 1, 0, 0))
    store.put_node("pi1", PI4)
    store.put_fitness(
        FitnessRow("pi1", second, 1.0, 1.0, 0, "", users=min(second, 5) if second < 1197 else 0)
        for second in range(1200)
    )
    one = fleet_map(store, 0, 1200, [(5, 1199)]).tracks[0]
    assert (one.users[2], one.users[599]) == (4, 0)
    assert (one.users_first, one.users_fewest, one.users_last) == (5, 5, 5)


def test_the_clock_is_measured_by_the_best_of_its_model(store: Store) -> None:
    """A node's clock is a percentage of the highest of its model, since a node may be slowed down from the beginning."""
    for name, facts, hz in (("pi1", PI4, 0.9e9), ("pi2", PI4, 1.8e9), ("pi3", PI5, 2.4e9)):
        store.put_node(name, facts)
        store.put_samples([(name, 0, told(0, 0xF0, hz)[2])])
    fleet = fleet_map(store, 0, 1)
    assert fleet.clock_percent == [[50], [100], [100]]


def test_the_worst_are_shown_first_with_one_to_compare(fleet: FleetMap) -> None:
    """The nodes that were throttled, hot or unfit the longest are shown first, with one of the same model that was not."""
    assert [track.name for track in flagged_nodes(fleet)] == ["pi1", "pi5", "pi2"]
    shown = [fleet.nodes[index] for index in shown_first(fleet, {"pi7": 9, "pi2": 3})]
    assert shown[:4] == ["pi1", "pi5", "pi7", "pi2"]
    assert len(shown) == 5
    other = track(fleet, shown[-1])
    assert (other.model, other.flagged, other.hot) == (PI4.model, 0, 0)


def test_no_more_are_shown_than_can_be_told_apart(fleet: FleetMap) -> None:
    """At most five nodes in trouble are shown, and one to compare."""
    assert len(shown_first(fleet, {f"pi{number}": number for number in range(1, 8)})) == 6


def test_of_a_fleet_in_order_the_warmest_are_shown(store: Store) -> None:
    """Of a fleet without trouble the warmest nodes are shown, and of one without any sample none."""
    store.put_node("pi1", PI4)
    assert shown_first(fleet_map(store, 0, 5), {}) == []
    for number in (1, 2, 3, 4):
        store.put_samples([(f"pi{number}", 0, reading(40.0 + number))])
    fleet = fleet_map(store, 0, 1)
    assert [fleet.nodes[index] for index in shown_first(fleet, {})] == ["pi4", "pi3", "pi2"]
    time = Timeline(fleet.axis, [])
    assert comparison_figure(fleet, time, [0]).summary.endswith("had a throttling flag. Shown are the warmest.")
    assert "unfit the longest" in comparison_figure(fleet, time, [0], unfit=True).summary


@pytest.mark.parametrize(
    ("held", "unknown", "samples", "text"),
    [
        (0, 0, 90, "0 s"),
        (12, 0, 90, "24 s"),
        (12, 30, 90, "24 s, unknown for 1 min"),
        (0, 30, 90, "0 s, unknown for 1 min"),
        (0, 90, 90, "unknown"),
        (0, 0, 0, "unknown"),
    ],
)
def test_seconds_of_a_condition_as_far_as_known(held: int, unknown: int, samples: int, text: str) -> None:
    """A condition's time counts two seconds for each sample, as far as known, and names the time that is unknown."""
    assert seconds_text(held, unknown, samples, 2).replace("\u00a0", " ") == text


def test_the_table_says_what_held_a_node_back(fleet: FleetMap) -> None:
    """The table gives a node's throttling in words, with the extremes; a Zero's under-voltage is unknown if it was not seen."""
    row = throttling_row(track(fleet, "pi5"), fleet.period_s)
    plain = [text.replace("\u00a0", " ") for text in [*row.seconds, row.highest, row.lowest_clock, *row.users]]
    assert plain == ["0 s", "unknown", "0 s", "10 s", "61.0 °C", "800 MHz (80 %)", "4", "4", "4"]
    assert hot_reading(5, 0.95, 1e9).conditions_lately == conditions.pack_flags(SOFT_LIMITED, 15 ^ UNDER_VOLTAGE)


def test_equal_nodes_are_counted_together(store: Store) -> None:
    """Nodes are counted together by board, system, kernel and Python; facts that a node never sent are unknown."""
    for name in ("pi10", "pi2"):
        store.put_node(name, PI4)
    store.put_node("pi3", msgspec.structs.replace(PI4, kernel="6.1"))
    store.put_node("controller", FACTS)
    store.put_samples([("pi9", 0, reading())])
    found = [
        (group.model, group.kernel, group.simulated, group.nodes) for group in boards(fleet_map(store, 0, 1).tracks)
    ]
    assert found == [
        (PI4.model, PI4.kernel, True, ["pi2", "pi10"]),
        (PI4.model, "6.1", True, ["pi3"]),
        ("unknown", "unknown", None, ["pi9"]),
    ]


def test_the_chart_carries_no_rows_of_its_own(fleet: FleetMap) -> None:
    """The chart uses the rows of the maps, so that any node can be chosen without a larger page."""
    chart = comparison_figure(fleet, Timeline(fleet.axis, [(10, 100)]), [0, 4]).chart
    assert len(json.dumps(chart)) < 3000
    assert chart["shown"] == [0, 4]
    assert [panel["known"] for panel in chart["panels"]] == [True, True, True]
