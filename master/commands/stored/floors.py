"""The options that say which differences matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from master.errors import InputError

if TYPE_CHECKING:
    from master.judge.result import Floors


def parse_floors(floor: str, latency_floor: str, error_floor: str) -> Floors:
    """The least differences that matter, by --floor, --latency-floor and --error-floor. Raises InputError for what is none."""
    from master.judge.result import Floors  # noqa: PLC0415
    from master.scenario.units import parse_latency, parse_share  # noqa: PLC0415

    found = []
    for option, text, parse in (
        ("--floor", floor, parse_share),
        ("--latency-floor", latency_floor, parse_latency),
        ("--error-floor", error_floor, parse_share),
    ):
        try:
            found.append(parse(text))
        except ValueError as error:
            raise InputError(f"{option}: {error}") from None
    share, latency_ms, error_share = found
    return Floors(share=share, latency_ms=latency_ms, error_share=error_share)
