"""Numbers and moments as people read them in a report: three significant digits, units, no exponents."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

from worker.telemetry.conditions import FREQUENCY_CAPPED, SOFT_LIMITED, THROTTLED, UNDER_VOLTAGE

NOTHING = "–"
"""Stands where nothing was measured, so that it can't be taken for a zero."""

MAX_TEXT_LENGTH = 300
"""Characters shown of a text that the target or a user's code chose, such as a name or an error."""

CONDITIONS = {
    THROTTLED: "throttled",
    UNDER_VOLTAGE: "under-voltage",
    FREQUENCY_CAPPED: "capped",
    SOFT_LIMITED: "soft limit",
}
"""Names of the throttling conditions, those that matter most first."""

_UNBROKEN = "\u00a0"  # a number and its unit stay on one line


def count(value: float) -> str:
    """`12,345`."""
    if not math.isfinite(value):
        return NOTHING
    return f"{value:,.0f}"


def counted(number: int, noun: str) -> str:
    """`1 node`, `1,200 nodes`."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def number(value: float | None) -> str:
    """Three significant digits, all of them from 100 up: `0.0123`, `4.37`, `43.7`, `437`, `1,250`."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    decimals = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{min(6, max(0, decimals))}f}"


def latency(value_ms: float | None) -> str:
    """`4.37 ms`, `1,250 ms`: one unit throughout, so that figures can be compared at a glance."""
    text = number(value_ms)
    return text if text == NOTHING else f"{text}{_UNBROKEN}ms"


def rate(value_per_s: float | None) -> str:
    """`5,912/s`, `0.35/s`."""
    text = number(value_per_s)
    return text if text == NOTHING else f"{text}/s"


def share(value: float) -> str:
    """A share (0 to 1) as `0.4 %`; one that is not zero never reads as zero, nor one below 1 as all."""
    if 0 < value < 0.00001:
        return f"<{_UNBROKEN}0.001{_UNBROKEN}%"
    if 0.9995 <= value < 1:
        return f">{_UNBROKEN}99.9{_UNBROKEN}%"
    text = number(value * 100)
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}{_UNBROKEN}%"


def frequency(value_hz: float) -> str:
    """`1.80 GHz`, `600 MHz`."""
    if value_hz < 1e9:
        return f"{number(value_hz / 1e6)}{_UNBROKEN}MHz"
    return f"{value_hz / 1e9:.2f}{_UNBROKEN}GHz"


def memory(value_bytes: float | None) -> str:
    """`84.1 MiB`."""
    text = number(None if value_bytes is None else value_bytes / (1 << 20))
    return text if text == NOTHING else f"{text}{_UNBROKEN}MiB"


def duration(seconds: float) -> str:
    """`42 s`, `1 min 50 s`, `24 h`, `2 d 3 h`: the two largest units."""
    if not math.isfinite(seconds):
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{seconds if seconds < 10 else whole:.3g}{_UNBROKEN}s"
    parts = []
    for unit, size_s in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, whole = divmod(whole, size_s)
        parts.append((amount, unit))
    first = next(index for index, (amount, _) in enumerate(parts) if amount)
    return " ".join(f"{amount}{_UNBROKEN}{unit}" for amount, unit in parts[first : first + 2] if amount)


def moment(second: float) -> str:
    """A time since the run began as `1:50` or `23:07:12`."""
    if not math.isfinite(second):
        return NOTHING
    minutes, rest_s = divmod(int(abs(second)), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{rest_s:02}" if hours else f"{minutes}:{rest_s:02}"
    return f"-{text}" if second <= -1 else text


def spans(found: Sequence[tuple[float, float]], further: int = 0) -> str:
    """`0:12–0:48, 1:00–1:11 and 3 more`."""
    text = ", ".join(f"{moment(start_s)}–{moment(end_s)}" for start_s, end_s in found)
    return f"{text} and {count(further)} more" if further else text


def difference(before: float | None, after: float | None) -> str:
    """`+3.20`, `-0.100`, `0`: by how much `after` is more."""
    if before is None or after is None:
        return NOTHING
    text = number(abs(after - before))
    return text if text in ("0", NOTHING) else f"{'+' if after > before else '-'}{text}"


def clock(started_at: str) -> str:
    """A wall-clock time in ISO 8601 as `2026-11-21 01:48:45 UTC+02:00`; as it is when it can't be read."""
    try:
        return format(datetime.fromisoformat(started_at), "%Y-%m-%d %H:%M:%S %Z").strip()
    except ValueError:
        return started_at


def ahead(offset_s: float) -> str:
    """How a clock stands to ours: `1 h ahead`, `1.5 s behind`."""
    return f"{duration(abs(offset_s))} {'behind' if offset_s < 0 else 'ahead'}"


def shortened(text: str) -> str:
    """`text`, cut where it stops being readable in a table."""
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[:MAX_TEXT_LENGTH]}…"


def listed(items: Sequence[str], max_items: int = 12) -> str:
    """`a, b and 3 more`."""
    if len(items) <= max_items:
        return ", ".join(items)
    return f"{', '.join(items[:max_items])} and {count(len(items) - max_items)} more"


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts `pi2` before `pi10`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts)
