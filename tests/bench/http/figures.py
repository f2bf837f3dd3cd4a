"""What the rounds say together. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from rounds import Round

NGINX_BOUND = 0.95
"""From this share of its core on, nginx is what limits the rate, not the tool."""
BUSY = 0.9
"""With no pause between requests, one side is always busy; if neither had this share of its core, others took it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One tool in one case. Where there is no figure, `missing` says why. Shares are those of the core that each is bound to;
    `disturbed` counts the rounds in which neither had its core for itself.
    """

    case: str
    tool: str
    rate: float | None = None
    rate_min: float | None = None
    rate_max: float | None = None
    cpu_us: float | None = None
    own_share: float | None = None
    nginx_share: float | None = None
    nginx_bound: bool = False
    disturbed: int = 0
    ratio_fast: float | None = None
    ratio_wrk: float | None = None
    missing: str | None = None


def row(case: str, tool: str, rounds: Sequence[Round], *, fast: str, wrk: str, missing: str | None = None) -> Row:
    """The row of `tool`: medians over its rounds, and its ratio to two others, the median of each round's ratio.

    A tool of which any round failed has no figures: what is left could be what it does best.
    """
    mine = [each for each in rounds if each.case == case and each.tool == tool]
    errors = [each.error for each in mine if each.error is not None]
    if missing is None and errors:
        missing = f"failed: {errors[0]}"
    if missing is not None or not mine:
        return Row(case, tool, missing=missing or "not measured")
    rates = [each.rate for each in mine]
    nginx_share = median(each.nginx_share for each in mine)
    return Row(
        case,
        tool,
        rate=median(rates),
        rate_min=min(rates),
        rate_max=max(rates),
        cpu_us=median(each.cpu_us for each in mine),
        own_share=median(each.own_share for each in mine),
        nginx_share=nginx_share,
        nginx_bound=nginx_share >= NGINX_BOUND,
        disturbed=sum(max(each.own_share, each.nginx_share) < BUSY for each in mine),
        ratio_fast=_ratio(mine, (each for each in rounds if each.case == case and each.tool == fast)),
        ratio_wrk=_ratio(mine, (each for each in rounds if each.case == case and each.tool == wrk)),
    )


def _ratio(mine: Sequence[Round], others: Iterable[Round]) -> float | None:
    rates = {each.round: each.rate for each in others if each.error is None}
    ratios = [each.rate / rates[each.round] for each in mine if each.round in rates]
    return median(ratios) if len(ratios) == len(mine) else None
