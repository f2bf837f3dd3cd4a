"""The schema and the reference of result.json in the documentation are those of its structs."""

from __future__ import annotations

import json

import jsonschema
import result_reference
from result_reference import PAGE, SCHEMA_FILE

STALE = "the structs of result.json have changed: run make result-schema, and commit what it writes"


def test_the_schema_in_the_documentation_is_that_of_the_structs() -> None:
    """Whoever changes a struct of result.json makes the schema again: `make result-schema`."""
    assert SCHEMA_FILE.read_text("utf-8") == result_reference.schema_text(), STALE


def test_the_reference_has_the_keys_of_the_structs() -> None:
    """The tables of the page are made of the same structs, by the same command."""
    assert PAGE.read_text("utf-8") == result_reference.page_text(), STALE


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA_FILE.read_text("utf-8")))
