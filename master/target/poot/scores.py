"""A node's trust score from its work: pure, in integers.

    score = sum(units * quality * 2**(-age / 24 h)) / (100 + sum(units * 2**(-age / 24 h)))

in parts per million, over all its records; `quality` is in parts per million too, and `age` is in whole hours. It is the
mean quality of the work, that of a day ago counting half, as if each node had begun with 100 units of quality 0: trust needs
work as well as quality, and fades without work.

Both sums fade by the same factor, so that two numbers a node stand for all of its records.
"""

from __future__ import annotations

from typing import NamedTuple

PPM = 1_000_000
PRIOR_UNITS = 100
HOUR_MS = 3_600_000
_HALF_LIFE_H = 24
_FRACTION_BITS = 10
_FACTOR_BITS = 30
# 2**(30 - hour / 24): what is left of 2**30 after that hour of a day.
_FACTORS = (
    1073741824, 1043174479, 1013477326, 984625594, 956595215, 929362806, 902905651, 877201680, 852229450, 827968132,
    804397487, 781497852, 759250125, 737635748, 716636690, 696235434, 676414963, 657158742, 638450708, 620275256,
    602617224, 585461881, 568794918, 552602431,
)  # fmt: skip


class Trust(NamedTuple):
    """The two sums as of an hour (since 1970), in 1/1024."""

    weighted: int = 0
    """Of units times quality in parts per million. Below 2**60: see `MAX_UNITS_PER_S` in `records`."""
    units: int = 0
    hour: int = 0


def fade(value: int, hours: int) -> int:
    """What is left of `value` after so many hours."""
    days, hours = divmod(max(hours, 0), _HALF_LIFE_H)
    return (value * _FACTORS[hours] >> _FACTOR_BITS) >> days


def trust_at(trust: Trust, hour: int) -> Trust:
    """The sums as of a later hour."""
    hours = hour - trust.hour
    if hours <= 0:
        return trust
    return Trust(fade(trust.weighted, hours), fade(trust.units, hours), hour)


def add_work(trust: Trust, units: int, quality_ppm: int, ended_ms: int, hour: int) -> Trust:
    """The sums with one more record."""
    before = trust_at(trust, hour)
    fresh = fade(units << _FRACTION_BITS, before.hour - ended_ms // HOUR_MS)
    return Trust(before.weighted + fresh * quality_ppm, before.units + fresh, before.hour)


def score_ppm(trust: Trust, hour: int) -> int:
    """The score as of an hour, from 0 to below 1 000 000."""
    now = trust_at(trust, hour)
    return now.weighted // (now.units + (PRIOR_UNITS << _FRACTION_BITS))


def recent_units(trust: Trust, hour: int) -> int:
    """Units of work, faded."""
    return trust_at(trust, hour).units >> _FRACTION_BITS
