"""report.html: everything a run has to say, in one file that works offline.

The page is allowed nothing but what is in it: its Content-Security-Policy forbids any network and any script whose hash it
does not name. Names and errors come from the target and are hostile input; they reach the page through jinja2's escaping, or
as JSON that can't end its script element.
"""

from __future__ import annotations

import base64
import gzip
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
from master.report.visible_text import visible, visible_in_json
from master.store import StoreReader
from worker.atomic_write import atomic_write_public

SCRIPTS = ("values", "charts", "together", "distribution", "choose", "hover", "tables", "start")
"""The files of the page's script, in this order."""


def write_report(result: Result, store: StoreReader, scenario_yaml: str, path: Path) -> list[str]:
    """Write the report of a run; what is missing in it by a fault of piswarm's own, and why, part by part.

    Raises OSError when `path` can't be written.
    """
    faults = Faults()
    text = faults.attempt("the report", lambda: render(result, store, scenario_yaml, faults), "")
    # A lone surrogate, as a broken name may hold, has no UTF-8.
    atomic_write_public(path, (text or _plain(result, faults)).encode(errors="replace"))
    return faults.found


def render(result: Result, store: StoreReader, scenario_yaml: str, faults: Faults) -> str:
    """The report as HTML."""
    environment = _environment()
    context = page(result, store, scenario_yaml, faults)
    script = _script(environment)
    hashes = [_sha256(script)]
    data = context.pop("data")
    plotly = None
    if context["drawn"]:
        plotly, plotly_hash = _plotly()
        hashes.append(plotly_hash)
    context |= {
        "style": Markup(_source(environment, "report.css")),  # noqa: S704  # our own file
        "script": Markup(script),  # noqa: S704  # our own files
        "script_hashes": " ".join(f"'sha256-{each}'" for each in hashes),
        "plotly": plotly,
        "data": None if plotly is None else packed(data),
    }
    return environment.get_template("report.html").render(context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("master.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
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


def packed(value: object) -> str:
    """JSON, compressed, in letters and digits that no name in it can break out of; the page's script unpacks it."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    except ValueError:  # the range of a chart, say, is beyond the largest number where a value is near it
        text = json.dumps(for_json(value), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return _compressed(visible_in_json(text))


def _compressed(text: str) -> str:
    # A level more saves 2 % of the size for twice the time.
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


@cache
def _plotly() -> tuple[str, str]:
    """plotly.js, compressed, and the hash of it as the browser will run it."""
    script = get_plotlyjs()
    return _compressed(script), _sha256(script)


def _script(environment: Environment) -> str:
    """The page's own script: its files share one function's names, which no other script sees."""
    parts = "\n".join(_source(environment, f"scripts/{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
