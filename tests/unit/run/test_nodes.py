"""The live fleet: what a look into run.db finds during and after a run, and how nodes are sorted and shown."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from report_example import PI4, PI5, ZERO, fill, reading
from rich.console import Console

from master.errors import InputError
from master.fleet.states import NodeState
from master.nodes.command import find_run, parse_states
from master.nodes.latest import LOOK_BACK_S, read_latest
from master.nodes.now import Column, FleetNow, NodeNow, arranged, chosen
from master.nodes.table import STATE_STYLES, short_model, throttling, view
from master.store import CHECKPOINT_KEY, FitnessRow, NodeRow, Store
from worker.telemetry import conditions
from worker.wire.messages import Reading

KNOWN = conditions.pack_flags(0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "run.db", create=True)
    store.put_meta("run", "example")
    yield store
    store.close()


def stand(store: Store, offset_s: float, written_ago_s: float = 0.0) -> None:
    """Store the run's current state as the controller does once a second."""
    began_wall_s = time.time() - offset_s - written_ago_s
    store.put_meta(CHECKPOINT_KEY, {"offset_s": offset_s, "began_wall_s": began_wall_s, "stage": 0, "kind": "hold"})
    store.commit()


def told(lately: int = KNOWN, temperature_c: float | None = 50.0, hz: float | None = 1.8e9) -> Reading:
    return msgspec.structs.replace(reading(temperature_c), conditions_lately=lately, frequency_hz=hz)


def by_name(fleet: FleetNow) -> dict[str, NodeNow]:
    return {row.node: row for row in fleet.nodes}


def shown(fleet: FleetNow, width: int | None, height: int | None = None, **fields: Any) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width or 500)
    console.print(view(fleet, fields.get("nodes", fleet.nodes), width, height), highlight=False)
    return out.getvalue().splitlines()


def example(*nodes: NodeNow, **fields: Any) -> FleetNow:
    known = {"offset_s": 75.0, "stage": "1 hold", "silent_s": 0.5, "verdict": None}
    return FleetNow(run="example", started_at=None, nodes=list(nodes), **{**known, **fields})


def test_each_state_of_a_node_has_a_style() -> None:
    assert set(STATE_STYLES) == {state.value for state in NodeState}


def test_a_look_finds_the_latest_of_each_node(store: Store, tmp_path: Path) -> None:
    """A look finds each node's last sample, its users, its facts, and its state as the controller sees it."""
    for name, facts in (("pi1", PI4), ("pi2", ZERO), ("controller", PI5)):
        store.put_node(name, facts)
    throttled = conditions.pack_flags(conditions.THROTTLED, 15 ^ conditions.UNDER_VOLTAGE)
    store.put_samples(("pi1", second, told(temperature_c=40.0 + second)) for second in range(20))
    store.put_samples([("pi2", 19, told(throttled, 84.5, 0.6e9)), ("controller", 19, told())])
    store.put_fitness(
        FitnessRow("pi1", second, 1.0, 1.0, 0, "", users=users, worker=worker)
        for second, worker, users in ((3, 0, 9), (18, 0, 2), (17, 1, 3), (9, 2, 50))
    )
    store.put_node_rows([NodeRow("pi1", "running", 3600.5, 1.5), NodeRow("pi2", "throttled", None, None)])
    stand(store, 20.2)
    fleet = read_latest(tmp_path)
    assert (fleet.run, fleet.stage, fleet.over, len(fleet.nodes)) == ("example", "1 hold", False, 2)
    one, two = fleet.nodes
    assert (one.state, one.wall_offset_s, one.capacity, one.users) == ("running", 3600.5, 1.5, 5)
    assert (one.temperature_c, one.frequency_hz, one.conditions) == (59.0, 1.8e9, [False] * 4)
    assert (one.model, one.piswarm, one.simulated) == (PI4.model, "0.1.0", True)
    assert (two.temperature_c, two.conditions, two.users) == (84.5, [True, None, False, False], None)
    assert one.fresh
    assert one.sample_age_s is not None
    assert 1.2 <= one.sample_age_s < 60


def test_silent_nodes_are_looked_for_further_back_but_not_for_ever(store: Store, tmp_path: Path) -> None:
    """A silent node's last sample is looked for up to a limit of age, so that a look is as fast after a day as after a minute."""
    last = 10_000
    for name, second in (("now", last), ("silent", last - 100), ("lost", last - LOOK_BACK_S)):
        store.put_node(name, PI4)
        store.put_samples([(name, second, told())])
    store.put_samples([("now", last - 1, told())])
    stand(store, last + 1.0)
    found = by_name(read_latest(tmp_path))
    assert found["now"].fresh
    assert (found["silent"].fresh, found["silent"].temperature_c) == (False, 50.0)
    assert found["silent"].sample_age_s == pytest.approx(101, abs=30)
    assert (found["lost"].fresh, found["lost"].sample_age_s, found["lost"].temperature_c) == (False, None, None)


def test_samples_that_come_seldom_are_fresh_for_longer(store: Store, tmp_path: Path) -> None:
    """Whether a sample is fresh depends on the period of the samples."""
    store.put_node("pi1", PI4)
    store.put_samples(("pi1", second, told()) for second in range(0, 600, 30))
    stand(store, 570 + 45.0)
    assert read_latest(tmp_path).nodes[0].fresh


def test_before_anything_was_measured_all_is_unknown(store: Store, tmp_path: Path) -> None:
    """Before anything was measured, a node that has said hello is listed with all else unknown."""
    store.put_node("pi1", PI4)
    store.commit()
    fleet = read_latest(tmp_path)
    assert (fleet.offset_s, fleet.stage, fleet.silent_s) == (None, None, None)
    assert msgspec.structs.replace(fleet.nodes[0], model=None, simulated=None, piswarm=None) == NodeNow(node="pi1")


def test_looking_changes_nothing_while_the_run_is_on_and_after(tmp_path: Path) -> None:
    """A look changes no byte of run.db, its log or its index, and leaves no file of its own."""
    path = tmp_path / "run.db"
    store = Store(path, create=True)
    fill(store)
    stand(store, 30.0)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.suffix != ".db-shm"}
    assert len(read_latest(tmp_path).nodes) == 3
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.suffix != ".db-shm"} == before
    store.put_meta("verdict", "PASS")
    store.close()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert list(before) == ["run.db"]
    fleet = read_latest(tmp_path)
    assert (fleet.verdict, fleet.offset_s, fleet.silent_s) == ("PASS", 30.0, None)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_a_killed_controller_left_can_be_looked_at(store: Store, tmp_path: Path) -> None:
    """After a killed controller, run.db with its log beside it can be read, and the view says for how long nothing was written."""
    fill(store)
    stand(store, 30.0, written_ago_s=100.0)
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("run.db", "run.db-wal"):
        shutil.copy(tmp_path / name, killed / name)
    fleet = read_latest(killed)
    assert len(fleet.nodes) == 3
    assert fleet.silent_s == pytest.approx(100, abs=30)
    assert any("nothing was written for 1\u00a0min" in line for line in shown(fleet, 140))


@pytest.mark.parametrize("content", [None, b"", b"no database at all, but long enough for SQLite to look at it" * 20])
def test_what_is_no_run_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A directory without a run is refused with one message that names the file, and nothing is created there."""
    if content is not None:
        (tmp_path / "run.db").write_bytes(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="run"):
        read_latest(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_of_another_version_is_refused(tmp_path: Path) -> None:
    """A run.db of another version is refused with one message that says so, whatever it lacks."""
    Store(tmp_path / "run.db", create=True).close()
    with sqlite3.connect(tmp_path / "run.db") as db:
        db.execute("ALTER TABLE nodes DROP COLUMN state")
    db.close()
    with pytest.raises(InputError, match="not made by this version of piswarm: no such column: state"):
        read_latest(tmp_path)


def test_the_newest_run_is_the_one_that_began_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest run is the one that began last, whichever was written last; other directories don't count."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no run directory below"):
        find_run(None)
    for name in ("b-first", "a-second", "c-empty"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    for name, begun_s in (("b-first", 1000), ("a-second", 2000)):
        (tmp_path / "runs" / name / "run.db").touch()
        scenario = tmp_path / "runs" / name / "scenario.yml"
        scenario.touch()
        os.utime(scenario, (begun_s, begun_s))
    assert find_run(None) == Path("runs/a-second")
    assert find_run(tmp_path) == tmp_path


def test_rows_are_sorted_and_what_is_unknown_comes_last() -> None:
    """Names are sorted by their numbers, equal values by name, and unknown values come last in both directions."""
    rows = [
        NodeNow(node="pi10", temperature_c=50.0, throttled=False),
        NodeNow(node="pi2", temperature_c=80.0, throttled=True, under_voltage=False),
        NodeNow(node="pi1"),
        NodeNow(node="pi3", temperature_c=50.0, throttled=False, under_voltage=True),
    ]

    def names(by: Column, *, reverse: bool = False) -> list[str]:
        return [row.node for row in arranged(rows, by, reverse=reverse)]

    assert names(Column.NODE) == ["pi1", "pi2", "pi3", "pi10"]
    assert names(Column.NODE, reverse=True) == ["pi10", "pi3", "pi2", "pi1"]
    assert names(Column.TEMPERATURE) == ["pi3", "pi10", "pi2", "pi1"]
    assert names(Column.TEMPERATURE, reverse=True) == ["pi2", "pi3", "pi10", "pi1"]
    assert names(Column.THROTTLING, reverse=True) == ["pi2", "pi3", "pi10", "pi1"]
    assert all(len(arranged(rows, by)) == 4 for by in Column)


def test_nodes_are_chosen_by_state() -> None:
    """Nodes are selected by state, also by the name for an unknown one, and a name that is no state is refused."""
    rows = [NodeNow(node="a", state="hot"), NodeNow(node="b", state="lost"), NodeNow(node="c")]
    assert [row.node for row in chosen(rows, parse_states("hot, lost"))] == ["a", "b"]
    assert [row.node for row in chosen(rows, parse_states("unknown"))] == ["c"]
    assert chosen(rows, parse_states(None)) == rows
    with pytest.raises(InputError, match="--only: warm is no state of a node"):
        parse_states("hot,warm")


@pytest.mark.parametrize(
    ("lately", "text"),
    [
        (conditions.UNKNOWN, "unknown"),
        (KNOWN, ""),
        (conditions.pack_flags(conditions.THROTTLED | conditions.FREQUENCY_CAPPED), "throttled, capped"),
        (conditions.pack_flags(0, 15 ^ conditions.UNDER_VOLTAGE), "under-voltage?"),
        (
            conditions.pack_flags(conditions.SOFT_LIMITED, conditions.SOFT_LIMITED),
            "throttled?, under-voltage?, capped?, soft limit",
        ),
    ],
)
def test_flags_in_words(store: Store, tmp_path: Path, lately: int, text: str) -> None:
    """A column of flags is blank when all is known to be well, and never when it is unknown."""
    store.put_node("pi1", PI4)
    store.put_samples([("pi1", 0, told(lately))])
    stand(store, 1.0)
    assert throttling(read_latest(tmp_path).nodes[0]) == text


@pytest.mark.parametrize(
    ("model", "short"),
    [
        ("Raspberry Pi 4 Model B Rev 1.5", "Pi 4B"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "Pi 3B+"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "Pi Zero 2 W"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "Pi CM4"),
        ("x86_64", "x86_64"),
    ],
)
def test_boards_in_short(model: str, short: str) -> None:
    """Boards have the short names that people use."""
    assert short_model(model) == short


def full_row() -> NodeNow:
    return NodeNow(
        node="pi007",
        state="throttled",
        simulated=False,
        model="Raspberry Pi 4 Model B Rev 1.5",
        temperature_c=84.25,
        throttled=True,
        under_voltage=False,
        frequency_capped=False,
        soft_limited=False,
        cpu_percent=91.0,
        memory_percent=12.3,
        frequency_hz=6e8,
        users=3,
        wall_offset_s=-1.5,
        capacity=0.84,
        piswarm="0.1.0",
        sample_age_s=1.2,
        fresh=True,
    )


def test_a_row_has_all_that_is_known() -> None:
    """A row has all known values, a dash for each unknown one, and the age of a sample that is not fresh."""
    fleet = example(full_row(), NodeNow(node="pi8", state="lost", sample_age_s=130.0))
    first, second, _, heading, *rows = shown(fleet, None)
    assert first.split("  ") == ["example", "1:15 since the load began, 1 hold"]
    assert second.split("  ") == ["2 nodes", "1 throttled", "1 lost"]
    assert heading.split() == [
        "node",
        "state",
        "model",
        "°C",
        "throttling",
        "CPU",
        "%",
        "mem",
        "%",
        "GHz",
        "users",
        "wall",
        "clock",
        "capacity",
        "piswarm",
        "sample",
    ]
    assert rows[0].split() == [
        "pi007",
        "throttled",
        "Pi",
        "4B",
        "84.2",
        "throttled",
        "91",
        "12",
        "0.60",
        "3",
        "-1.50",
        "s",
        "0.84",
        "0.1.0",
    ]
    assert rows[1].replace("\u00a0", " ").split() == [
        *["pi8", "lost", "–", "–", "unknown", "–", "–", "–", "–", "–", "–", "–"],
        *["2", "min", "10", "s", "ago"],
    ]


@pytest.mark.parametrize(("offset_s", "text"), [(-0.001, "+0.00 s"), (0.0, "+0.00 s"), (-0.006, "-0.01 s")])
def test_a_clock_that_is_right_is_not_behind(offset_s: float, text: str) -> None:
    """A clock whose offset rounds to zero is shown as zero, not as behind."""
    row = shown(example(msgspec.structs.replace(full_row(), wall_offset_s=offset_s)), None)[-1]
    assert text in row.replace("\u00a0", " ")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """No line is wider than the terminal: the least important columns are left out and named; node and state stay."""
    lines = shown(example(full_row(), NodeNow(node="pi8", state="lost", sample_age_s=130.0)), width)
    assert all(len(line) <= width for line in lines)
    row = next(line for line in lines if line.startswith("pi007"))
    assert row.split()[:2] == ["pi007", "throttled"]
    assert any(line.startswith("no room for: ") for line in lines) == (width < 140)
    if width >= 80:
        assert "84.2" in row
        assert "0.60" in row


def test_what_a_screen_has_no_room_for_is_counted() -> None:
    """Nodes for which the screen has no room are counted, so that a view of 500 nodes stays in place."""
    fleet = example(*(msgspec.structs.replace(full_row(), node=f"pi{number}") for number in range(500)))
    lines = shown(fleet, 140, 24)
    assert len(lines) < 24
    rows = [line for line in lines if line.startswith("pi")]
    assert f"{500 - len(rows)} more nodes; choose with --only and --sort" in lines


def test_a_run_that_is_over_says_so() -> None:
    """The view says when a run is over, and when it has no nodes or none of the selected."""
    assert "over: PASS" in shown(example(full_row(), verdict="PASS", silent_s=None), 140)[0]
    assert "its load has not begun" in shown(example(offset_s=None, stage=None, silent_s=None), 140)[0]
    assert shown(example(), 140)[-1] == "no node has come yet"
    assert shown(example(full_row()), 140, nodes=[])[-1] == "no such node"


def test_a_hostile_name_does_not_steer_the_terminal() -> None:
    """A hostile name reaches the terminal neither as an escape sequence nor as Rich's markup."""
    row = msgspec.structs.replace(full_row(), model="\x1b[2J\x07evil", piswarm="[red]0.1[/red]", node="pi\n1")
    text = "\n".join(shown(example(row), None))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]0.1[/red]" in text
    assert "pi\ufffd1" in text
