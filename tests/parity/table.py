"""The table of what was compared, for the terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from examples import Example
from feature import Outcome

SCHEMA = "piswarm/parity/1"
PAGE = Path(__file__).parents[2] / "docs" / "performance" / "parity.md"
EXAMPLES = "## Locust's own examples\n"
MAX_CELL = 230
"""Characters of what a side showed, in the table."""
HEAD = """# What a Locust project sees under piswarm, beside stock Locust

Made by `make parity`: each feature is seen in a run of one small project (`tests/parity/projects/`) under stock Locust {version}, a
master and two workers, and under piswarm, two simulated nodes with processes of their own. What was seen is told in short. [What of a
project is honoured, refused or warned about](locust-projects.md) says what to expect of the rest.

"""


def describe(shown: Mapping[str, Any] | None) -> str:
    """Say what a side showed in one line."""
    if shown is None:
        return "–"
    text = "; ".join(f"{key}: {_plain(value)}" for key, value in shown.items() if value != "")
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case dict():
            return ", ".join(f"{key} {_plain(each)}" for key, each in value.items())
        case list() | tuple():
            return ", ".join(map(_plain, value)) if value else "none"
        case _:
            return str(value)


def judge(outcome: Outcome) -> str:
    """Say whether both showed the same, or why not."""
    if outcome.same:
        return "same"
    if outcome.as_said:
        return f"different: {outcome.feature.reason}"
    return f"NOT AS SAID {outcome.fault}".rstrip()


def document(outcomes: Sequence[Outcome], examples: Sequence[Example]) -> dict[str, Any]:
    """Return all of it as data for machines."""
    rows = [
        {
            "feature": each.feature.name,
            "title": each.feature.title,
            "project": each.feature.pair,
            "locust": each.stock,
            "piswarm": each.ours,
            "result": "same" if each.same else "different" if each.as_said else "fault",
            "reason": each.feature.reason if each.as_said and not each.same else each.fault,
        }
        for each in outcomes
    ]
    return {
        "schema": SCHEMA,
        "locust": version("locust"),
        "features": rows,
        "examples": [each.document() for each in examples],
    }


def write_page(outcomes: Sequence[Outcome] = (), examples: Sequence[Example] = ()) -> None:
    """Write the page of the documentation; a part of which nothing is given stays as it is."""
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    features, _, ran = before.partition(EXAMPLES)
    features = _features(outcomes) if outcomes else features
    ran = _examples(examples) if examples else ran
    PAGE.write_text(f"{features.rstrip()}\n\n{EXAMPLES}{ran}" if ran else features, encoding="utf-8")


def _features(outcomes: Sequence[Outcome]) -> str:
    same, different = sum(each.same for each in outcomes), sum(not each.same and each.as_said for each in outcomes)
    rows = [
        (each.feature.title, describe(each.stock), "the same" if each.same else describe(each.ours), judge(each))
        for each in outcomes
    ]
    counts = f"{len(outcomes)} features: {same} the same, {different} different for a reason.\n\n"
    return HEAD.format(version=version("locust")) + counts + _table(("feature", "Locust", "piswarm", ""), rows)


def _examples(examples: Sequence[Example]) -> str:
    skipped = sum(each.result == "skipped" for each in examples)
    ran = sum(each.result == "runs" for each in examples)
    head = f"""
Those of Locust's `examples/` that need HTTP only, unchanged, each for some seconds against a target on loopback, by
`python tests/parity --examples DIR` with a copy of that folder: {ran} of {len(examples) - skipped} run. {skipped} are not run, for the
reason given.

"""
    return head + _table(("example", "", ""), [(f"`{each.name}`", each.result, each.reason) for each in examples])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n" for line in lines
    )
