"""The example workflows are what the services accept, and run commands that there are."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from master.cli import app

EXAMPLES = Path(__file__).parents[3] / "docs" / "performance" / "ci"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}


@pytest.mark.parametrize(("name", "schema"), SCHEMAS.items())
def test_an_example_is_what_its_service_accepts(name: str, schema: str) -> None:
    """The schemas of both services, as check-jsonschema has them, have no objection."""
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, EXAMPLES / name],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def commands(content: Any) -> list[str]:
    """All texts in a document that start piswarm."""
    if isinstance(content, dict):
        return [each for value in content.values() for each in commands(value)]
    if isinstance(content, list):
        return [each for value in content for each in commands(value)]
    return [line for line in str(content).splitlines() if line.startswith("piswarm ")]


@pytest.mark.parametrize("name", SCHEMAS)
def test_its_commands_have_options_that_there_are(name: str) -> None:
    """Each command of an example is read by the real command line."""
    found = commands(yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8")))
    assert found
    for line in found:
        _, command, *words = shlex.split(line.replace("$GITHUB_STEP_SUMMARY", "summary.md"))
        parsed = typer.main.get_command(app).commands[command].make_context(command, words)  # type: ignore[attr-defined]
        assert parsed.params["summary"]
