"""The reference in the documentation is made of the declarations."""

from __future__ import annotations

import json

from env_command import ROOT, env

from master.environments.reference import markdown
from master.environments.variables import declared


def test_the_documentation_has_the_table_that_the_declarations_make() -> None:
    """Whoever changes a declaration renews the table: `piswarm env variables --markdown`."""
    page = (ROOT / "docs/operator/environments.md").read_text("utf-8")
    assert markdown() in page
    assert env("variables", "--markdown").stdout == markdown()


def test_programs_get_the_same_variables() -> None:
    """The JSON document has every variable, with its range as numbers."""
    document = json.loads(env("variables", "--json").stdout)
    assert [each["variable"] for each in document["variables"]] == list(declared())
    port = next(each for each in document["variables"] if each["variable"] == "PISWARM_TARGET_PORT")
    assert (port["min"], port["max"], port["secret"]) == (0, 65_535, False)
