"""The virtual cores of a simulated Pi: no work waits while a core is free, and excess work ends late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.load.loop_lag import KEPT_SECONDS
from worker.simulation.virtual_cores import VirtualCores

START_S = 1000.25


def cores(count: int = 4, request_s: float = 0.01) -> VirtualCores:
    made = VirtualCores(count, START_S)
    made.request_s = request_s
    return made


def test_nothing_waits_while_a_core_is_free() -> None:
    """Four requests at once on four cores, and four more when those are done, wait for nothing."""
    made = cores()
    for now_s in (START_S, START_S + 0.01):
        assert [made.charge(now_s) for _ in range(4)] == pytest.approx([0] * 4, abs=1e-9)


def test_who_comes_when_all_are_busy_waits_for_the_first_that_is_free() -> None:
    """When all cores are busy, each request waits for the next core that will be free."""
    made = cores(2)
    waits_s = [made.charge(START_S + 0.001 * number) for number in range(6)]
    assert waits_s == pytest.approx([0, 0, 0.008, 0.008, 0.016, 0.016])


def test_a_slower_clock_makes_the_same_work_longer() -> None:
    """At half of the clock each request takes twice as long, so that a second one waits for that time."""
    made = cores(1)
    made.speed = 0.5
    assert [made.charge(START_S), made.charge(START_S)] == pytest.approx([0, 0.02])
    assert made.busy_s(START_S + 1) == pytest.approx(0.04)


def test_they_are_busy_for_as_long_as_there_is_work() -> None:
    """Cores are busy as long as there is work, and work under way counts as far as it is done."""
    made, looks = cores(2, 1.0), []
    for after_s, charges in ((0, 1), (0.25, 0), (0.5, 1), (0.6, 1), (1.0, 0), (1.25, 0), (2.0, 0), (3.0, 0)):
        for _ in range(charges):
            made.charge(START_S + after_s)
        looks.append(made.busy_s(START_S + after_s))
    assert looks == pytest.approx([0, 0.25, 0.5, 0.7, 1.5, 2.0, 3.0, 3.0])


def test_each_second_is_as_busy_as_between_its_marks() -> None:
    """Each second has the utilisation between its marks, which may cover several seconds; a second without marks is idle."""
    made = VirtualCores(2, 1000.0)
    made.request_s = 1.5
    made.charge(1000.0)
    made.end_second(1001.0)
    assert made.utilisation(1001.0) == pytest.approx(0.5)
    made.charge(1001.25)
    made.charge(1001.5)
    made.end_second(1004.0)
    assert [made.busy_percent(second) for second in range(999, 1005)] == pytest.approx([0, 50, *[3.5 / 6 * 100] * 3, 0])
    made.end_second(1005.0)
    made.end_second(1005.0)
    assert (made.utilisation(1005.0), made.busy_percent(1004)) == (0, 0)


def test_memory_is_bounded() -> None:
    """Over a day no more seconds are kept than a report can cover."""
    made = cores()
    for second in range(86400):
        made.charge(START_S + second)
        made.end_second(START_S + second + 0.8)
    assert len(made._by_second) == KEPT_SECONDS
    assert made.busy_percent(1000 + 86399) == pytest.approx(0.25)
    assert made.busy_percent(1000) == 0


@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1), st.floats(0.25, 1), st.booleans()), max_size=60),
)
def test_whatever_comes_all_work_is_done_once_and_no_core_does_two_things(
    count: int, arrivals: list[tuple[float, float, float, bool]]
) -> None:
    """The busy time adds up to the work that was charged, and no more than all cores are busy at any time."""
    made, now_s, charged_s = cores(count), START_S, 0.0
    for pause_s, cost_s, speed, request in arrivals:
        busy_before_s, before_s = made.busy_s(now_s), now_s
        now_s += pause_s
        assert -1e-6 <= made.busy_s(now_s) - busy_before_s <= count * (now_s - before_s) + 1e-6
        made.request_s, made.speed = cost_s, speed
        if request:
            assert made.charge(now_s) >= 0
        else:
            made.charge_work(now_s, cost_s)
        charged_s += cost_s / speed
    assert made.busy_s(now_s + charged_s) == pytest.approx(charged_s, abs=1e-6)
