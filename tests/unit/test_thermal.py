"""The model of a Pi's heat: it rests, heats, throttles and cools as the boards do, however time is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.thermal import BOARDS, THROTTLE_FROM_C, ThermalModel

HOUR_S = 3600
ROOM_C = 25.0
KINDS = [(board, cooling) for board in BOARDS for cooling in BOARDS[board].resistance_c_per_w]


def model(board: str, cooling: str, ambient_c: float = ROOM_C) -> ThermalModel:
    return ThermalModel(BOARDS[board], cooling, ambient_c)


@pytest.mark.parametrize(("board", "cooling"), KINDS)
def test_an_idle_board_stays_as_it_is(board: str, cooling: str) -> None:
    """It starts in balance with the air around it, warmer than it, and cool enough to run at full clock."""
    idle = model(board, cooling)
    before_c = idle.temperature_c
    idle.step(HOUR_S, 0.0)
    assert idle.temperature_c == pytest.approx(before_c)
    assert ROOM_C < before_c < THROTTLE_FROM_C
    assert not idle.throttled


def test_a_bare_pi_4_under_full_load_heats_steadily_until_it_throttles() -> None:
    """The clock is lowered above 80 °C, and the heat that this saves holds the temperature below 85 °C."""
    busy = model("pi4", "bare")
    temperatures_c = []
    throttled_after_s = None
    for second in range(2 * HOUR_S):
        busy.step(1, 1.0)
        temperatures_c.append(busy.temperature_c)
        if busy.throttled and throttled_after_s is None:
            throttled_after_s = second
    assert throttled_after_s is not None
    assert 2 * 60 < throttled_after_s < 10 * 60
    rising = temperatures_c[: throttled_after_s + 1]
    assert all(later > earlier for earlier, later in pairwise(rising))
    assert THROTTLE_FROM_C < temperatures_c[-1] < 85
    assert BOARDS["pi4"].floor_hz < busy.frequency_hz < BOARDS["pi4"].max_hz


@pytest.mark.parametrize(("board", "cooling"), [("pi4", "fan"), ("pi4", "heat sink"), ("pi5", "fan")])
def test_a_cooled_board_never_throttles_in_a_room(board: str, cooling: str) -> None:
    """Not even after hours of full load."""
    busy = model(board, cooling)
    for _ in range(300):
        busy.step(60, 1.0)
        assert not busy.throttled
    assert ROOM_C + 20 < busy.temperature_c < THROTTLE_FROM_C


def test_a_hot_board_cools_down_and_has_its_clock_back() -> None:
    """Fast at first, then as slowly as the case around it."""
    board = model("pi4", "bare")
    idle_c = board.temperature_c
    for _ in range(HOUR_S):
        board.step(1, 1.0)
    hot_c = board.temperature_c
    assert board.throttled
    for _ in range(120):
        board.step(1, 0.0)
    assert not board.throttled
    fast_c = hot_c - board.temperature_c
    for _ in range(120):
        board.step(1, 0.0)
    assert 1 < hot_c - board.temperature_c - fast_c < fast_c / 2
    board.step(3 * HOUR_S, 0.0)
    assert board.temperature_c == pytest.approx(idle_c, abs=0.01)


@given(st.floats(0, 1), st.integers(1, 500))
def test_the_size_of_a_step_does_not_matter_while_the_power_is_constant(utilisation: float, seconds: int) -> None:
    """One long step is exactly as many short ones, as long as nothing throttles."""
    once, often = model("pi4", "fan"), model("pi4", "fan")
    once.step(seconds, utilisation)
    for _ in range(seconds):
        often.step(1, utilisation)
    assert once.temperature_c == pytest.approx(often.temperature_c, rel=1e-12)


def test_one_step_of_a_minute_is_sixty_of_a_second() -> None:
    """The example in round numbers, on the way up and down again."""
    once, often = model("pi5", "fan"), model("pi5", "fan")
    for utilisation in (1.0, 0.25, 0.0):
        once.step(60, utilisation)
        for _ in range(60):
            often.step(1, utilisation)
        assert once.temperature_c == pytest.approx(often.temperature_c, rel=1e-12)


@given(
    st.sampled_from(KINDS), st.lists(st.tuples(st.floats(0, 100_000), st.floats(0, 3)), max_size=30), st.floats(-20, 45)
)
def test_a_board_stays_between_idle_and_full_load_whatever_it_does(
    kind: tuple[str, str], steps: list[tuple[float, float]], ambient_c: float
) -> None:
    """However long the steps, and also when more than all cores seem to be in use."""
    board, cooling = kind
    busy = model(board, cooling, ambient_c)
    coolest_c = busy.temperature_c
    hottest_c = ambient_c + BOARDS[board].resistance_c_per_w[cooling] * BOARDS[board].load_w
    for seconds, utilisation in steps:
        busy.step(seconds, utilisation)
        assert coolest_c - 1e-9 <= busy.temperature_c <= hottest_c
        assert BOARDS[board].floor_hz <= busy.frequency_hz <= BOARDS[board].max_hz
        assert busy.throttled is (busy.temperature_c > THROTTLE_FROM_C)


def test_more_load_and_warmer_air_make_a_hotter_board() -> None:
    """Each by itself; the air's degrees are added one for one."""
    ends_c = []
    for utilisation, ambient_c in ((0.2, 20), (0.8, 20), (0.8, 30)):
        board = model("pi4", "fan", ambient_c)
        board.step(600, utilisation)
        ends_c.append(board.temperature_c)
    assert ends_c[0] < ends_c[1]
    assert ends_c[2] - ends_c[1] == pytest.approx(10)


def test_a_board_has_no_other_cooling_than_its_table_says() -> None:
    """A Zero in a wind tunnel was never measured."""
    with pytest.raises(KeyError):
        model("zero2w", "fan")
