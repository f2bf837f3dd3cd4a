"""The thermal model rests, heats, throttles and cools as the boards do, whatever the size of its steps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.simulation.boards import BOARDS, FAN_HYSTERESIS_C, FAN_STEPS_C, KINDS
from worker.simulation.power_supply import HOLD_S, PowerSupply
from worker.simulation.thermal_model import BENCHMARK, PYTHON, STEP_HYSTERESIS_C, ThermalModel
from worker.telemetry.conditions import FREQUENCY_CAPPED, SOFT_LIMITED, THROTTLED, UNDER_VOLTAGE, flag_state, pack_flags
from worker.telemetry.pi.models import THROTTLE_FROM_C

HOUR_S = 3600
ROOM_C = 25.0
kinds = st.sampled_from(sorted(KINDS))


def model(kind: str, ambient_c: float = ROOM_C, *, speed: float = 1.0, supply_w: float | None = None) -> ThermalModel:
    board, cooling = KINDS[kind]
    supply = None if supply_w is None else PowerSupply(supply_w)
    return ThermalModel(BOARDS[board], cooling, ambient_c, speed=speed, supply=supply)


def run(
    board: ThermalModel, seconds: int, utilisation: float = 1.0, activity: float = PYTHON, step_s: float = 1.0
) -> list[float]:
    """Return the temperature after each step."""
    temperatures_c = []
    for _ in range(round(seconds / step_s)):
        board.step(step_s, utilisation, activity)
        temperatures_c.append(board.temperature_c)
    return temperatures_c


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("kind", "ambient_c", "idle_c", "full_c"),
    [
        ("zero2w", 29, 42, 74),
        ("zero2w-case", 29, 46, 81),
        ("pi4-bare", 26, 61, 85),
        ("pi4-heatsink", 22, None, 70),
        ("pi5-bare", 25, None, 84),
        ("pi5-cooled", 22, None, 72),
    ],
)
def test_at_rest_and_under_full_load_a_board_is_as_hot_as_those_that_were_measured(
    kind: str, ambient_c: float, idle_c: float | None, full_c: float
) -> None:
    """At rest and after two hours of load on all cores a board is within 3 °C of measured ones in air of the same temperature."""
    board = model(kind, ambient_c)
    if idle_c is not None:
        assert board.temperature_c == pytest.approx(idle_c, abs=1)
    assert mean(run(board, 2 * HOUR_S, activity=BENCHMARK)[-600:]) == pytest.approx(full_c, abs=3)


@pytest.mark.parametrize(
    ("kind", "throttles"),
    [
        ("zero2w", False),
        ("zero2w-case", True),
        ("pi4-bare", True),
        ("pi4-heatsink", False),
        ("pi4-cooled", False),
        ("pi5-bare", True),
        ("pi5-cooled", False),
    ],
)
def test_a_benchmark_throttles_those_boards_that_are_known_for_it(kind: str, throttles: bool) -> None:
    """In a warm room a benchmark throttles the boards that are known for it, and no others."""
    board = model(kind, 29.0)
    run(board, HOUR_S, activity=BENCHMARK)
    assert board.throttled is throttles


def test_a_cased_zero_reaches_80_degrees_in_three_and_a_half_minutes_on_four_cores() -> None:
    """A Zero in a case goes from 47 to 80 °C in three and a half minutes on four cores, within half a minute."""
    board = model("zero2w-case", 30.0)
    assert board.temperature_c == pytest.approx(47, abs=1)
    temperatures_c = run(board, 600, activity=BENCHMARK)
    after_s = next(second for second, temperature_c in enumerate(temperatures_c) if temperature_c >= 80)
    assert after_s == pytest.approx(210, abs=30)


def test_a_bare_pi_4_throttles_within_one_to_three_minutes() -> None:
    """A bare Pi 4 warms steadily for one to three minutes, then alternates between two of its clocks below 85 °C."""
    board = model("pi4-bare", 26.0)
    temperatures_c, throttled_after_s, clocks_hz = [], None, set()
    for second in range(HOUR_S):
        temperatures_c += run(board, 1, activity=BENCHMARK)
        clocks_hz.add(board.frequency_hz)
        if board.throttled and throttled_after_s is None:
            throttled_after_s = second
    assert throttled_after_s is not None
    assert 60 <= throttled_after_s <= 180
    assert all(later > earlier for earlier, later in pairwise(temperatures_c[:throttled_after_s]))
    assert clocks_hz == {1.8e9, 1.5e9, 1.0e9}
    assert 80 < min(temperatures_c[1800:]) < max(temperatures_c[1800:]) < 85


@pytest.mark.parametrize(
    ("ambient_c", "clock_hz"), [(20, 1.8e9), (45.1, 1.5e9), (48.1, 1.0e9), (49.1, 0.75e9), (50.1, 0.6e9)]
)
def test_a_pi_4_has_four_lower_clocks_between_80_and_85_degrees(ambient_c: float, clock_hz: float) -> None:
    """In air so warm that a Pi 4 stays between 80 and 85 °C even at rest, it has four lower clocks."""
    board = model("pi4-bare", ambient_c)
    assert board.temperature_c == pytest.approx(ambient_c + 35.1)
    assert board.frequency_hz == clock_hz
    assert board.conditions == pack_flags(THROTTLED if ambient_c > 40 else 0)


@pytest.mark.parametrize(
    ("ambient_c", "clock_hz"), [(20, 2.4e9), (50, 2.4e9), (52.5, 1.95e9), (55, 1.5e9), (65, 1.5e9)]
)
def test_a_pi_5_is_slowed_little_by_little(ambient_c: float, clock_hz: float) -> None:
    """A Pi 5's clock falls in proportion to its temperature from 80 to 85 °C."""
    board = model("pi5-bare", ambient_c)
    assert board.temperature_c == pytest.approx(ambient_c + 30)
    assert board.frequency_hz == pytest.approx(clock_hz)


def test_a_bare_pi_5_is_as_hot_as_one_that_was_measured_for_ten_minutes() -> None:
    """A bare Pi 5 is at 81 °C on average over ten minutes, within 2 °C of a measured one, without that one's peak of 89 °C."""
    temperatures_c = run(model("pi5-bare"), 600, activity=BENCHMARK)
    assert mean(temperatures_c) == pytest.approx(81, abs=2)
    assert 82 < max(temperatures_c) <= 89


def test_a_3b_plus_has_a_soft_limit_below_the_hard_one() -> None:
    """A 3B+ reports its soft limit, 1.2 GHz from 60 °C on, and throttling beyond 80 °C as other boards do."""
    board = model("pi3b+-bare")
    assert board.frequency_hz == 1.4e9
    temperatures_c = run(board, HOUR_S)
    assert 60 < temperatures_c[-1] < 80
    assert (board.frequency_hz, board.conditions) == (1.2e9, pack_flags(SOFT_LIMITED))
    board.ambient_c += 19
    board.step(1, 1.0)
    assert 0.6e9 < board.frequency_hz < 1.2e9
    assert board.conditions == pack_flags(SOFT_LIMITED | THROTTLED)


@pytest.mark.parametrize(
    ("ambient_c", "step", "rpm"), [(20, 0, 0), (27, 1, 2400), (42, 2, 4000), (54, 3, 5600), (61.5, 4, 8000)]
)
def test_the_fan_of_a_pi_5_turns_as_its_temperature_asks(ambient_c: float, step: int, rpm: int) -> None:
    """A Pi 5's fan turns by its temperature and reports its speed; the fans of other boards always turn and report nothing."""
    board = model("pi5-cooled", ambient_c)
    assert (board.fan_step, board.fan_rpm) == (step, rpm)
    assert (model("pi4-cooled").fan_step, model("pi4-cooled").fan_rpm) == (None, None)


def test_a_fan_is_set_back_five_degrees_below_where_its_step_began() -> None:
    """A fan's step ends five degrees below where it began, and a faster fan cools better."""
    board = model("pi5-cooled", 22.0)
    seen: dict[int, list[float]] = {}
    for utilisation in [*(load / 100 for load in range(101)), *(load / 100 for load in range(100, -1, -1))]:
        for _ in range(120):
            before = board.fan_step
            board.step(1, utilisation, BENCHMARK)
            if board.fan_step != before:
                assert before is not None
                assert board.fan_step is not None
                up = board.fan_step > before
                seen.setdefault(board.fan_step if up else -before, []).append(board.temperature_c)
    assert sorted(seen) == [-4, -3, -2, -1, 1, 2, 3, 4]
    for step, temperatures_c in seen.items():
        begins_c = FAN_STEPS_C[abs(step) - 1] - (FAN_HYSTERESIS_C if step < 0 else 0)
        assert temperatures_c == pytest.approx([begins_c] * len(temperatures_c), abs=1)
    resistances = BOARDS["pi5"].coolings["cooled"].resistances_c_per_w
    assert sorted(resistances, reverse=True) == list(resistances)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_idle_board_stays_as_it_is(kind: str) -> None:
    """An idle board starts in balance with its air, warmer than that, and cool enough for full clock."""
    idle = model(kind)
    before_c = idle.temperature_c
    idle.step(HOUR_S, 0.0)
    assert idle.temperature_c == pytest.approx(before_c)
    assert ROOM_C < before_c < THROTTLE_FROM_C
    assert not idle.throttled


@pytest.mark.parametrize("kind", ["pi4-bare", "pi3b+-bare", "pi5-bare", "zero2w-case"])
def test_a_hot_board_cools_down_and_has_its_clock_back(kind: str) -> None:
    """A hot board without load cools fast at first, then as slowly as its case, and has its full clock again."""
    board = model(kind)
    idle_c = board.temperature_c
    run(board, HOUR_S, activity=BENCHMARK)
    hot_c = board.temperature_c
    assert board.throttled
    run(board, 180, 0.0)
    assert not board.throttled
    fast_c = hot_c - board.temperature_c
    run(board, 180, 0.0)
    assert 1 < hot_c - board.temperature_c - fast_c < fast_c / 2
    board.step(3 * HOUR_S, 0.0)
    assert board.temperature_c == pytest.approx(idle_c, abs=0.01)


@given(st.floats(0, 1), st.integers(1, 500))
def test_the_size_of_a_step_does_not_matter_while_the_power_is_constant(utilisation: float, seconds: int) -> None:
    """With constant power, as without throttling, one long step equals many short ones."""
    once, often = model("pi4-cooled"), model("pi4-cooled")
    once.step(seconds, utilisation)
    run(often, seconds, utilisation)
    assert once.temperature_c == pytest.approx(often.temperature_c, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(kinds, st.lists(st.tuples(st.integers(10, 300), st.floats(0, 1)), min_size=1, max_size=5), st.floats(15, 45))
def test_it_makes_no_difference_how_often_the_model_is_looked_at(
    kind: str, loads: list[tuple[int, float]], ambient_c: float
) -> None:
    """Steps of a second or of a fifth of it give temperatures within 1 °C, as clocks and fans may be at another point."""
    once, often = model(kind, ambient_c), model(kind, ambient_c)
    for seconds, utilisation in loads:
        run(once, seconds, utilisation)
        run(often, seconds, utilisation, step_s=0.2)
        assert once.temperature_c == pytest.approx(often.temperature_c, abs=1.0)


@given(kinds, st.lists(st.tuples(st.floats(0, 100_000), st.floats(0, 3)), max_size=10), st.floats(-20, 45))
@settings(max_examples=50, deadline=None)
def test_a_board_stays_between_the_air_and_full_load_whatever_it_does(
    kind: str, steps: list[tuple[float, float]], ambient_c: float
) -> None:
    """A board stays between its air and full load, however long the steps and whatever load is reported."""
    name, cooling = KINDS[kind]
    board, busy = BOARDS[name], model(kind, ambient_c)
    hottest_c = ambient_c + max(board.coolings[cooling].resistances_c_per_w) * board.load_w
    for seconds, utilisation in steps:
        busy.step(seconds, utilisation)
        assert ambient_c < busy.temperature_c <= hottest_c
        assert board.floor_hz <= busy.frequency_hz <= board.max_hz
        assert busy.throttled is (busy.conditions & 0xF != 0)
        assert board.idle_w <= busy.power_w <= board.load_w


@settings(max_examples=30, deadline=None)
@given(kinds, st.floats(0, 1), st.floats(0, 1), st.floats(10, 40), st.floats(0, 10))
def test_more_load_and_warmer_air_make_a_hotter_board(
    kind: str, one: float, other: float, ambient_c: float, warmer_c: float
) -> None:
    """More load or warmer air make a hotter board at any time, apart from the steps of clocks and fans that they set off."""
    wavers_c = FAN_HYSTERESIS_C if kind == "pi5-cooled" else 3 * STEP_HYSTERESIS_C
    less, more = sorted((one, other))
    cool, busy, warm = model(kind, ambient_c), model(kind, ambient_c), model(kind, ambient_c + warmer_c)
    # From here a lower clock may be set off, and be left again before the next look.
    lowered_from_c = min((from_c for from_c, _ in cool.board.steps), default=THROTTLE_FROM_C)
    hottest_c = ambient_c
    for _ in range(20):
        hottest_c = max(hottest_c, *run(cool, 60, less), *run(busy, 60, more), *run(warm, 60, less))
        assert busy.temperature_c >= cool.temperature_c - wavers_c
        assert warm.temperature_c >= cool.temperature_c - wavers_c
        if hottest_c < lowered_from_c and kind != "pi5-cooled":
            assert busy.temperature_c >= cool.temperature_c - 1e-9
            assert warm.temperature_c - cool.temperature_c == pytest.approx(warmer_c)


@settings(max_examples=20, deadline=None)
@given(kinds, st.floats(0, 1), st.sampled_from([2.0, 10.0, 100.0]))
def test_a_faster_model_is_at_the_same_temperatures_sooner(kind: str, utilisation: float, speed: float) -> None:
    """A faster model only has shorter time constants, and reaches the same temperatures sooner, within 1 °C."""
    real, faster = model(kind, 35.0), model(kind, 35.0, speed=speed)
    assert faster.temperature_c == real.temperature_c
    for _ in range(10):
        run(real, 200, utilisation)
        faster.step(200 / speed, utilisation)
        assert faster.temperature_c == pytest.approx(real.temperature_c, abs=1.0)


def test_a_weak_supply_sags_while_more_is_drawn_than_it_can_give() -> None:
    """A supply that is too weak sags, the clock falls to its floor at once, and both return and sag again."""
    board = model("pi4-cooled", supply_w=4.0)
    run(board, 60, 0.2)
    assert (board.conditions, board.frequency_hz) == (pack_flags(0), 1.8e9)
    seen = set()
    for _ in range(60):
        board.step(1, 1.0)
        seen.add((board.conditions, board.frequency_hz))
    assert seen == {(pack_flags(0), 1.8e9), (pack_flags(UNDER_VOLTAGE | FREQUENCY_CAPPED | THROTTLED), 0.6e9)}
    run(board, 10, 0.2)
    assert (board.conditions, board.frequency_hz) == (pack_flags(0), 1.8e9)


@pytest.mark.parametrize(("kind", "floor_hz"), [("pi3b+-cooled", 0.6e9), ("pi5-cooled", 1.5e9), ("zero2w", 0.6e9)])
def test_what_a_sagging_supply_means_for_the_others(kind: str, floor_hz: float) -> None:
    """A Zero reports a sagging supply as unknown, and not as good."""
    board = model(kind, supply_w=0.1)
    board.step(1, 1.0)
    assert board.frequency_hz == floor_hz
    assert flag_state(board.conditions, FREQUENCY_CAPPED) is True
    assert flag_state(board.conditions, UNDER_VOLTAGE) is (None if kind == "zero2w" else True)
    assert flag_state(model(kind).conditions, UNDER_VOLTAGE) is (None if kind == "zero2w" else False)


def test_a_supply_is_good_again_when_little_enough_was_drawn_for_a_while() -> None:
    """A supply is good again after the load was well below its limit for a while."""
    supply = PowerSupply(4.0)
    supply.draw(1, 4.0)
    assert not supply.sagging
    supply.draw(1, 4.1)
    for _ in range(100):
        supply.draw(1, 3.9)
        assert supply.sagging
    supply.draw(HOLD_S - 1, 3.0)
    supply.draw(1, 3.9)
    supply.draw(HOLD_S - 1, 3.0)
    assert supply.sagging
    supply.draw(1, 3.0)
    assert not supply.sagging


def test_a_board_has_no_other_cooling_than_its_table_says() -> None:
    """A board has only the coolings of its table, since others, as a Pi 4 in a Zero's case, were never measured."""
    with pytest.raises(KeyError):
        ThermalModel(BOARDS["pi4"], "case", ROOM_C)
