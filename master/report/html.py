"""report.html: everything a run has to say, in one file that works offline.

The page is allowed nothing but what is in it: its Content-Security-Policy forbids any network and any script whose hash it
does not name. Names and errors come from the target and are hostile input; they reach the page through jinja2's escaping, or
as JSON that can't end its script element.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from master import formatting
from master.judge.faults import Faults
from master.judge.result import Result, for_json
from master.report.page.context import page
from master.report.result_texts import data_text, in_flight_text
from master.store import Store
from worker.atomic_write import atomic_write_public


def write_report(result: Result, store: Store, scenario_yaml: str, path: Path) -> list[str]:
    """Write the report of a run; what is missing in it by a fault of piswarm's own, and why, part by part.

    Raises OSError when `path` can't be written.
    """
    faults = Faults()
    text = faults.attempt("the report", lambda: render(result, store, scenario_yaml, faults), "")
    # A lone surrogate, as a broken name may hold, has no UTF-8.
    atomic_write_public(path, (text or _plain(result, faults)).encode(errors="replace"))
    return faults.found


def render(result: Result, store: Store, scenario_yaml: str, faults: Faults) -> str:
    """The report as HTML."""
    environment = _environment()
    context = page(result, store, scenario_yaml, faults)
    script = _source(environment, "report.js")
    scripts = [get_plotlyjs(), script] if context["drawn"] else [script]
    context |= {
        "style": Markup(_source(environment, "report.css")),  # noqa: S704  # our own file
        "scripts": [Markup(text) for text in scripts],  # noqa: S704  # our own file, and plotly.js
        "script_hashes": " ".join(f"'sha256-{_sha256(text)}'" for text in scripts),
        "data": script_json(context.pop("data")),
    }
    return environment.get_template("report.html").render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("master.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(formatting, name)
        for name in ("clock", "count", "number", "duration", "moment", "memory", "shortened", "share", "spans")
    }
    environment.filters["data"] = data_text
    environment.filters["in_flight"] = in_flight_text
    environment.globals |= {"counted": formatting.counted, "listed": formatting.listed, "NOTHING": formatting.NOTHING}
    return environment


def _plain(result: Result, faults: Faults) -> str:
    """The outcome in words, where the page can't be made."""
    said = [f"{result.verdict}: {result.reason}", *result.faults, *faults.found]
    lines = "".join(f"<p>{html.escape(text)}</p>" for text in [*said, "All figures are in result.json and run.db."])
    title = html.escape(f"{result.verdict} · {result.scenario} · piswarm")
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8">{policy}<title>{title}</title></head><body>{lines}</body></html>\n'


def script_json(value: object) -> Markup:
    """JSON that is safe within a script element: nothing in it can be taken for a tag, a comment or a line's end."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII, so U+2028 is escaped as well
    except ValueError:  # the range of a chart, say, is beyond the largest number where a value is near it
        text = json.dumps(for_json(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # made safe above


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
