"""A hot node carries less until it is hot no more, and gets its load back slowly; as a rule, and with the thermal model."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from master.fleet.capacity import (
    COOL_BELOW_C,
    HEADROOM,
    LARGEST,
    MAX_STEPS,
    REDUCE_INTERVAL_S,
    RESTORE_INTERVAL_S,
    STEP,
    Capacity,
    full_capacity,
)
from worker.simulation.boards import BOARDS
from worker.simulation.thermal_model import ThermalModel
from worker.telemetry.pi.models import THROTTLE_FROM_C
from worker.wire.messages import Facts

COOL_C, WARM_C, HOT_C = COOL_BELOW_C - 1, COOL_BELOW_C + 1, THROTTLE_FROM_C + 1


def update(capacity: Capacity, now_s: float, temperature_c: float | None, *, throttled: bool = False) -> bool:
    hot = temperature_c is not None and temperature_c >= THROTTLE_FROM_C
    return capacity.update(now_s, temperature_c, hot=hot, throttled=throttled)


def test_a_hot_node_carries_a_step_less_at_intervals() -> None:
    """A hot node's capacity falls by a step at once, and then not more often than its temperature can follow."""
    capacity = Capacity(2.0)
    changes = [second for second in range(25) if update(capacity, second, HOT_C)]
    assert changes == [0, REDUCE_INTERVAL_S, 2 * REDUCE_INTERVAL_S]
    assert capacity.value == pytest.approx(2.0 / STEP**3)


def test_one_that_its_firmware_holds_down_carries_two_steps_less() -> None:
    """A node that its firmware throttles loses two steps of capacity, whatever its temperature, which may not be known."""
    capacity = Capacity()
    assert update(capacity, 0, None, throttled=True)
    assert capacity.value == pytest.approx(1 / STEP**2)


def test_it_keeps_a_part_and_gets_all_of_it_back_slowly() -> None:
    """A hot node keeps a part of its capacity, and gets back all of it slowly when it is cool, but no more than it had."""
    capacity = Capacity()
    for second in range(1000):
        update(capacity, second, HOT_C)
    assert capacity.share == pytest.approx(STEP**-MAX_STEPS)
    changes = [second for second in range(1000, 2000) if update(capacity, second, COOL_C)]
    assert len(changes) == MAX_STEPS
    assert {after - before for before, after in pairwise(changes)} == {RESTORE_INTERVAL_S}
    assert (capacity.value, capacity.reduced) == (1.0, False)


def test_between_hot_and_cool_and_without_knowledge_nothing_changes() -> None:
    """A capacity stays as it is between hot and cool and without a temperature, so that no users are moved back and forth."""
    capacity = Capacity()
    assert update(capacity, 0, HOT_C)
    for second in range(1, 500):
        assert not update(capacity, second, WARM_C if second % 2 else None)
    assert capacity.reduced


@given(st.lists(st.tuples(st.floats(0, 60), st.one_of(st.none(), st.floats(20, 100)), st.booleans()), max_size=60))
def test_whatever_it_meets_it_stays_within_its_bounds(meets: list[tuple[float, float | None, bool]]) -> None:
    """A capacity stays within its bounds whatever the node's temperature and throttling, and every change is reported."""
    capacity, now_s = Capacity(2.0), 0.0
    for passed_s, temperature_c, throttled in meets:
        now_s += passed_s
        before = capacity.value
        assert update(capacity, now_s, temperature_c, throttled=throttled) == (capacity.value != before)
        assert STEP ** -(MAX_STEPS + 1e-6) <= capacity.share <= 1
        assert capacity.value == pytest.approx(2.0 * capacity.share)


def test_a_bare_pi_under_full_load_finds_what_it_bears_and_stays_there() -> None:
    """With a bare Pi's load following its capacity, and heat following load, it is hot no more after a while, and
    changes are few.
    """
    model, capacity = ThermalModel(BOARDS["pi4"], "bare", 30.0), Capacity()
    throttled_s, changes = [], []
    for second in range(3 * 3600):
        model.step(1.0, capacity.value)
        if update(capacity, second, model.temperature_c, throttled=model.throttled):
            changes.append(second)
        if model.throttled:
            throttled_s.append(second)
    late = [second for second in throttled_s if second > 3600]
    assert throttled_s
    assert len(late) < 0.05 * 2 * 3600
    assert len([second for second in changes if second > 3600]) <= 2 * 12
    assert 0.25 < capacity.value < 0.6


def test_nodes_that_are_almost_alike_share_a_capacity() -> None:
    """Nodes that are almost alike have the same capacity, since dispatch does more work for more different ones."""
    assert {Capacity(full).value for full in (3.7, 3.9, 4.0, 4.1, 4.3)} == {4.0}
    assert Capacity(0.44 * 4).value < Capacity(4).value < Capacity(8).value


def test_a_node_that_was_not_measured_counts_by_its_cores() -> None:
    """A node that was not measured counts by its number of cores, as those of a Pi 4 unless its model has others."""
    facts = Facts(simulated=False, model="m", cpu_count=4, memory_bytes=1, os="o", python="p", piswarm="v")
    assert full_capacity(facts) == 4
    assert full_capacity(replace(facts, capacity=1.7)) == 1.7
    assert full_capacity(replace(facts, model="Raspberry Pi Zero 2 W Rev 1.0")) == pytest.approx(4 * 4 / 9)
    assert full_capacity(replace(facts, model="Raspberry Pi 5 Model B Rev 1.1")) == 8


def test_a_hot_node_that_starts_anew_is_still_hot() -> None:
    """A hot node that starts anew is still hot; only what it can carry when cool is measured anew."""
    capacity = Capacity(4.0)
    update(capacity, 0, HOT_C)
    capacity.set_full(8.0)
    assert capacity.value == pytest.approx(8.0 / STEP)


@pytest.mark.parametrize(
    ("model", "cpu_count", "said", "counts"),
    [
        ("Raspberry Pi 4 Model B Rev 1.5", 4, 4.7, 4.7),
        ("Raspberry Pi 4 Model B Rev 1.5", 4, 6.1, 4.0),
        ("Raspberry Pi 4 Model B Rev 1.5", 1 << 53, None, 4.0),
        ("a server", 4, LARGEST * HEADROOM, LARGEST * HEADROOM),
        ("a server", 4, 1e6, LARGEST),
        ("a server", 1 << 53, None, LARGEST),
    ],
)
def test_no_node_is_given_more_than_a_board_can_carry_by_its_own_word(
    model: str, cpu_count: int, said: float | None, counts: float
) -> None:
    """No node gets a larger capacity by its own report than a board can have, else it would draw all users to itself."""
    facts = Facts(
        simulated=False,
        model=model,
        cpu_count=cpu_count,
        memory_bytes=1,
        os="o",
        python="p",
        piswarm="v",
        capacity=said,
    )
    assert full_capacity(facts) == pytest.approx(counts)
