"""Quantities are read with their units and written back exactly."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.scenario import units


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_duration, "90s", 90),
        (units.parse_duration, "20m", 1200),
        (units.parse_duration, "1.5h", 5400),
        (units.parse_duration, "500 ms", 0.5),
        (units.parse_duration, "1m30s", 90),
        (units.parse_duration, " 1d 2h ", 93600),
        (units.parse_duration, "0s", 0),
        (units.parse_percent, "5 %", 5),
        (units.parse_percent, "0.1%", 0.1),
        (units.parse_share, "0.1%", 0.001),
        (units.parse_share, "7 %", 0.07),
        (units.parse_latency, "100 ms", 100),
        (units.parse_latency, "1.5 s", 1500),
        (units.parse_latency, "800 us", 0.8),
        (units.parse_latency, "800 \u00b5s", 0.8),
        (units.parse_latency, "800\u03bcs", 0.8),
        (units.parse_temperature, "35 °C", 35),
        (units.parse_temperature, "35.5C", 35.5),
        (units.parse_temperature, "35 \u00baC", 35),
        (units.parse_temperature, "35\u2103", 35),
        (units.parse_temperature, " -5 °C", -5),
        (units.parse_rate, "600/s", 600),
        (units.parse_rate, "30/min", 0.5),
        (units.parse_rate, "30/m", 0.5),
        (units.parse_rate, "1800 /h", 0.5),
        (units.parse_rate, "0.3 /s", 0.3),
    ],
)
def test_a_quantity_is_read_in_its_base_unit(parse: Callable[[object], float], text: str, value: float) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "value", "says"),
    [
        (units.parse_duration, 90, "90 has no unit: say the unit, e.g. 90s"),
        (units.parse_duration, "1.5", "1.5 has no unit: say the unit"),
        (units.parse_duration, "-5s", "'-5s' is negative"),
        (units.parse_duration, -5, "'-5' is negative"),
        (units.parse_duration, "5 parsecs", "write a number and one of ms, s, m, h, d, e.g. 90s"),
        (units.parse_duration, "30s1m", "is not a duration"),
        (units.parse_duration, "1s1s", "is not a duration"),
        (units.parse_duration, "1h-30m", "is not a duration"),
        (units.parse_duration, "\u0665s", "is not a duration"),
        (units.parse_duration, "1,5h", "is not a duration"),
        (units.parse_duration, "", "is not a duration"),
        (units.parse_duration, "s", "is not a duration"),
        (units.parse_duration, "infs", "is not a duration"),
        (units.parse_duration, float("nan"), "nan is not a duration"),
        (units.parse_duration, float("inf"), "inf is not a duration"),
        (units.parse_duration, True, "True is not a duration"),
        (units.parse_duration, None, "None is not a duration"),
        (units.parse_duration, [1], "is not a duration"),
        (units.parse_duration, "32d", "more than a duration may be (31d)"),
        (units.parse_duration, "9" * 5000 + "s", "is too long for a duration"),
        (units.parse_latency, "1s500ms", "is not a latency"),
        (units.parse_latency, "100", "e.g. 100 ms"),
        (units.parse_latency, "5 %", "write a number and one of us, ms, s"),
        (units.parse_percent, "101 %", "more than a percentage may be (100 %)"),
        (units.parse_percent, "5", "say the unit, e.g. 5 %"),
        (units.parse_temperature, 35, "35 has no unit: say the unit, e.g. 35 °C"),
        (units.parse_temperature, -5, "5 has no unit: say the unit, e.g. 35 °C"),
        (units.parse_temperature, "--5 °C", "'-5 °C' is negative"),
        (units.parse_temperature, "95 F", "is not a temperature: write a number and C, e.g. 35 °C"),
        (units.parse_temperature, "2000 °C", "more than a temperature may be (1000 °C)"),
        (units.parse_temperature, True, "True is not a temperature"),
        (units.parse_rate, "100 ms", "is not a rate: write a number and one of /s, /min, /m, /h, e.g. 600/s"),
        (units.parse_rate, 500, "500 has no unit: say the unit, e.g. 600/s; did you mean 500/s?"),
        (units.parse_rate, "500 req/sec", "did you mean 500/s?"),
        (units.parse_rate, "500 tps", "did you mean 500/s?"),
        (units.parse_rate, "1.5k rps", "did you mean 1500/s?"),
        (units.parse_rate, "20 arrivals per  hour", "did you mean 20/h?"),
        (units.parse_rate, "50/5s", "is not a rate: write a number and one of /s, /min, /m, /h, e.g. 600/s"),
    ],
)
def test_what_is_no_quantity_is_refused_with_the_value_and_the_units_allowed(
    parse: Callable[[object], float], value: object, says: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        parse(value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "show", "most"),
    [
        (units.parse_duration, units.format_duration, 31 * 86400),
        (units.parse_latency, units.format_latency, 3600e3),
        (units.parse_percent, units.format_percent, 100),
        (units.parse_share, units.format_share, 1),
        (units.parse_rate, units.format_rate, 1e9),
        (units.parse_temperature, units.format_temperature, 1000),
    ],
)
@given(st.data())
def test_a_quantity_survives_writing_and_reading_to_the_last_digit(
    parse: Callable[[object], float], show: Callable[[float], str], most: float, data: st.DataObject
) -> None:
    value = data.draw(st.floats(1e-6, most) | st.integers(0, int(most)).map(float))
    assert parse(show(value)) == value


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "0.25s"), (59, "59s"), (60, "1m"), (90, "1m30s"), (5400, "1h30m"), (60.5, "60.5s")],
)
def test_a_duration_is_written_as_people_do(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


def test_rounding_never_turns_a_broken_limit_into_a_kept_one() -> None:
    assert units.rounded(99.9996, lambda value: value < 100) == 99.9996
    assert units.rounded(100.00049, lambda value: value <= 100) == 100.0005
    assert units.rounded(12.34567, lambda value: value < 100) == 12.35
