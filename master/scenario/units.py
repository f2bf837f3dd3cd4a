"""Quantities as people write them: `90s`, `1h30m`, `5 %`, `100 ms`, `600/s`, `35 °C`.

Every parser takes whatever the YAML file held and raises ValueError with a message for the operator. Arithmetic is exact
(fractions), so that formatting a value and parsing it again gives the same float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

MAX_DURATION_S = 31 * 86400.0
_MAX_TEXT_LENGTH = 400  # characters: the smallest float takes 330, and int() refuses thousands
_PARTS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([^\s0-9.]+)\s*")


@dataclass(frozen=True)
class _Kind:
    """One kind of quantity: factors of its units to the base unit, an example, and the largest value allowed."""

    noun: str
    units: Mapping[str, Fraction]
    example: str
    max_value: float
    max_text: str

    def parse(self, value: object) -> float:
        """The value in the base unit, or ValueError."""
        parts = self._parts(value)
        if len(parts) > 1:
            raise self._wrong(value)
        return self._checked(value, parts)

    def parse_sum(self, value: object) -> float:
        """As `parse`, but several parts may follow each other, from the largest unit to the smallest: `1m30s`."""
        parts = self._parts(value)
        factors = [factor for _, factor in parts]
        if any(after >= before for before, after in pairwise(factors)):
            raise self._wrong(value)
        return self._checked(value, parts)

    def _parts(self, value: object) -> list[tuple[Fraction, Fraction]]:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(value)
        text = str(value).strip()
        if len(text) > _MAX_TEXT_LENGTH:
            raise ValueError(f"{text[:40]!r}… is too long for {self.noun}")
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            raise ValueError(f"{text} has no unit: say the unit, e.g. {self.example}")
        if re.fullmatch(r"-\s*[0-9].*", text):
            raise ValueError(f"{text!r} is negative: {self.noun} can't be")
        if not re.fullmatch(f"(?:{_PARTS.pattern})+", text):
            raise self._wrong(value)
        parts = []
        for number, unit in _PARTS.findall(text):
            if unit not in self.units:
                raise self._wrong(value)
            parts.append((Fraction(number), self.units[unit]))
        return parts

    def _checked(self, value: object, parts: list[tuple[Fraction, Fraction]]) -> float:
        total = float(sum(number * factor for number, factor in parts))
        if total > self.max_value:
            raise ValueError(f"{value!r} is more than {self.noun} may be ({self.max_text})")
        return total

    def _wrong(self, value: object) -> ValueError:
        listed = [unit for unit in self.units if unit.isascii()]
        units = listed[0] if len(listed) == 1 else f"one of {', '.join(listed)}"
        return ValueError(f"{value!r:.60} is not {self.noun}: write a number and {units}, e.g. {self.example}")


_DURATION = _Kind(
    "a duration",
    {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600), "d": Fraction(86400)},
    "90s",
    MAX_DURATION_S,
    "31d",
)
_LATENCY = _Kind(
    "a latency",
    # The micro sign and the Greek letter look alike; keyboards produce both.
    {"us": Fraction(1, 1000), "\u00b5s": Fraction(1, 1000), "\u03bcs": Fraction(1, 1000)}
    | {"ms": Fraction(1), "s": Fraction(1000)},
    "100 ms",
    3600e3,  # what a Histogram can tell apart
    "3600 s",
)
_PERCENT = _Kind("a percentage", {"%": Fraction(1)}, "5 %", 100.0, "100 %")
_EXCESS = _Kind("a percentage", {"%": Fraction(1)}, "5 %", 10_000.0, "10000 %")
_SHARE = _Kind("a percentage", {"%": Fraction(1, 100)}, "5 %", 1.0, "100 %")
_TEMPERATURE = _Kind(
    "a temperature",
    # The degree sign, what keyboards produce in its place, and the one letter for both.
    dict.fromkeys(("C", "\u00b0C", "\u00baC", "\u2103"), Fraction(1)),
    "35 °C",
    1000.0,
    "1000 °C",
)
_RATE = _Kind(
    "a rate",
    {"/s": Fraction(1), "/min": Fraction(1, 60), "/m": Fraction(1, 60), "/h": Fraction(1, 3600)},
    "600/s",
    1e9,
    "1000000000/s",
)
_BYTES = _Kind(
    "an amount of memory",
    {unit: Fraction(size) for unit, size in (("kB", 10**3), ("MB", 10**6), ("GB", 10**9))}
    | {unit: Fraction(size) for unit, size in (("KiB", 2**10), ("MiB", 2**20), ("GiB", 2**30))},
    "10 MB",
    1e15,
    "1000000 GB",
)
_PER_DAY: Mapping[str, Fraction] = {"day": Fraction(1), "d": Fraction(1), "h": Fraction(24), "hour": Fraction(24)}
"""Days to each span in which something may change."""
_NEAR_RATE = re.compile(
    r"([0-9]+(?:\.[0-9]+)?)\s*(k?)\s*(?:[rtq]ps|hz)?"
    r"(?:\s*(?:r|reqs?|requests?|arrivals?|users?|iters?|iterations?|hits?|calls?)?\s*(?:/|\bper\b)\s*1?\s*"
    r"(s|secs?|seconds?|m|mins?|minutes?|h|hours?))?",
    re.IGNORECASE,
)
"""How others write it: `500`, `500 rps`, `50/1s`, `500 requests/sec`, `500 per second`, `5k/s`."""


_MAX_DIGITS = 15  # of a count: fewer than a float can tell apart


def parse_count(value: object) -> float:
    """A whole number, from `10`."""
    text = str(value).strip()
    if not re.fullmatch(f"[0-9]{{1,{_MAX_DIGITS}}}", text):
        raise ValueError(f"{value!r:.60} is not a count: write a whole number from 0, e.g. 10")
    return float(text)


def parse_duration(value: object) -> float:
    """Seconds, from `90s`, `1.5h`, `500 ms`, `1m30s`."""
    return _DURATION.parse_sum(value)


def parse_latency(value: object) -> float:
    """Milliseconds, from `100 ms`, `1.5 s`, `800 us`."""
    return _LATENCY.parse(value)


def parse_percent(value: object) -> float:
    """Percent (0 to 100), from `5 %`."""
    return _PERCENT.parse(value)


def parse_excess(value: object) -> float:
    """Percent of something that may be exceeded many times over, from `150 %`."""
    return _EXCESS.parse(value)


def parse_share(value: object) -> float:
    """A share (0 to 1), from `5 %`."""
    return _SHARE.parse(value)


def parse_temperature(value: object) -> float:
    """Degrees Celsius, from `35 °C`, `-5 C`."""
    text = str(value).strip()
    if isinstance(value, bool) or not text.startswith("-"):
        return _TEMPERATURE.parse(value)
    return -_TEMPERATURE.parse(text.removeprefix("-").lstrip())


def parse_rate(value: object) -> float:
    """A rate per second, from `600/s`, `30/min` (or `30/m`), `100/h`."""
    try:
        return _RATE.parse(value)
    except ValueError as error:
        near = (
            None if isinstance(value, bool) else _NEAR_RATE.fullmatch(" ".join(str(value).split())[:_MAX_TEXT_LENGTH])
        )
        if near is None:
            raise
        number, thousands, unit = near.groups()
        count = _plain(float(number) * 1000) if thousands else number
        likely = {"s": "/s", "m": "/min", "h": "/h"}[(unit or "s")[0].lower()]
        raise ValueError(f"{error}; did you mean {count}{likely}?") from None


def parse_percent_per_day(value: object) -> float:
    """Percent per day, from `5 %/day`, `1 %/h`."""
    return _per_day(value, _EXCESS, "5 %/day")


def parse_bytes_per_day(value: object) -> float:
    """Bytes per day, from `10 MB/day`, `1 MiB/h`."""
    return _per_day(value, _BYTES, "10 MB/day")


def parse_temperature_per_day(value: object) -> float:
    """Degrees Celsius per day, from `3 °C/day`."""
    return _per_day(value, _TEMPERATURE, "3 °C/day")


def _per_day(value: object, kind: _Kind, example: str) -> float:
    amount, slash, span = str(value).rpartition("/")
    if not isinstance(value, str) or not slash or span.strip() not in _PER_DAY:
        raise ValueError(f"{value!r:.60} is no rate of change: write {kind.noun[2:].strip()} per day, e.g. {example}")
    # As one number: what is written again must be read as the same.
    return float(Fraction(repr(kind.parse(amount))) * _PER_DAY[span.strip()])


def format_percent_per_day(percent: float) -> str:
    """`5 %/day`: exact."""
    return f"{_plain(percent)} %/day"


def format_bytes_per_day(count: float) -> str:
    """`10 MB/day`: exact."""
    return f"{_plain(count, shift=-6)} MB/day"


def format_temperature_per_day(degrees: float) -> str:
    """`3 °C/day`: exact."""
    return f"{_plain(degrees)} °C/day"


def format_count(count: float) -> str:
    """`10`: exact."""
    return _plain(count)


def format_duration(seconds: float) -> str:
    """`1h30m`, `90s` as `1m30s`, `0.25s`: exact, `parse_duration` gives the same number back."""
    if not float(seconds).is_integer() or seconds < 60:
        return f"{_plain(seconds)}s"
    minutes, rest_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest_s, "s")) if count)


def format_latency(latency_ms: float) -> str:
    """`12.5 ms`, `1.5 s`: exact."""
    return f"{_plain(latency_ms)} ms" if latency_ms < 1000 else f"{_plain(latency_ms, shift=-3)} s"


def format_percent(percent: float) -> str:
    """`5 %`: exact."""
    return f"{_plain(percent)} %"


def format_share(share: float) -> str:
    """A share (0 to 1) as a percentage: exact."""
    return f"{_plain(share, shift=2)} %"


def format_temperature(temperature_c: float) -> str:
    """`35 °C`: exact."""
    return f"{_plain(temperature_c)} °C"


def format_rate(rate_per_s: float) -> str:
    """`600/s`: exact."""
    return f"{_plain(rate_per_s)}/s"


def rounded(value: float, holds: Callable[[float], bool]) -> float:
    """`value` with the fewest significant digits, four or more, that don't change what `holds` says of it.

    So a report never reads "p95 < 100 ms: observed 100 ms, passed".
    """
    if float(value).is_integer():
        return value
    for digits in range(4, 17):
        short = float(f"{value:.{digits}g}")
        if holds(short) == holds(value):
            return short
    return value


def _plain(value: float, shift: int = 0) -> str:
    """The shortest decimal that reads back as `value` times ten to the power of `shift`, without an exponent."""
    text = format(Decimal(repr(float(value))).scaleb(shift), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
