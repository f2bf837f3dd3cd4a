"""Bodies that are made up from a description."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from master.audit.example import NoExampleError, example

SESSION = {
    "type": "object",
    "properties": {
        "resolution": {
            "type": "array",
            "minItems": 2,
            "prefixItems": [{"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 1}],
            "items": False,
        },
        "codec": {"enum": ["av1", "h264"]},
        "owner": {"$ref": "#/components/schemas/Owner"},
        "left": {"type": "string"},
    },
    "required": ["resolution", "codec", "owner"],
    "additionalProperties": False,
}
ROOT = {
    "components": {
        "schemas": {
            "Owner": {
                "properties": {"mail": {"type": "string", "format": "email"}, "age": {"type": ["integer", "null"]}},
                "required": ["mail", "age"],
            }
        }
    }
}


def test_only_what_is_required_is_made_up() -> None:
    """Nested objects, references, enumerations and tuples are; what may be left out is."""
    assert example(ROOT, SESSION, "n") == {
        "resolution": [1, 1],
        "codec": "av1",
        "owner": {"mail": "piswarm-audit@example.invalid", "age": 0},
    }


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"type": "integer", "default": 3}, 3),
        ({"anyOf": [{"type": "string", "minLength": 3}, {"type": "null"}]}, "nxx"),
        ({"type": "string", "maxLength": 0}, ""),
        ({"type": "number", "minimum": 0.5}, 0.5),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "boolean"}, False),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"allOf": [{"type": "null"}]}, None),
    ],
)
def test_a_value_keeps_to_its_schema(schema: dict[str, Any], value: Any) -> None:
    """Each is the smallest that the schema allows, by another's judgement too."""
    assert example({}, schema, "n") == value
    Draft202012Validator(schema).validate(value)


def _wide(depth: int) -> dict[str, Any]:
    """A description of few lines that asks for 50 values to the power of `depth`."""
    fields = [str(number) for number in range(50)]
    return {
        f"L{level}": {
            "type": "object",
            "properties": {field: {"$ref": f"#/L{level + 1}"} for field in fields},
            "required": fields,
        }
        for level in range(depth)
    } | {f"L{depth}": {"type": "null"}}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        {},
        {"type": "string", "pattern": "^a+$"},
        {"type": "secret"},
        {"type": "array", "minItems": 10**9, "items": {"type": "null"}},
        {"type": "string", "minLength": 10**9},
        {"allOf": [{"type": "string"}, {"maxLength": 1}]},
        {"enum": []},
        {"type": "object", "required": ["a"]},
        {"$ref": "#/circle"},
        {"$ref": "#/self"},
        {"$ref": "#/L0"},
    ],
)
def test_what_is_not_made_up_is_refused_at_once(schema: Any) -> None:
    """Patterns, unknown types, what has no end, and what has one far away."""
    root = {
        "circle": {"$ref": "#/circle"},
        "self": {"type": "object", "properties": {"me": {"$ref": "#/self"}}, "required": ["me"]},
        **_wide(6),
    }
    with pytest.raises(NoExampleError):
        example(root, schema, "n")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "properties",
                        "required",
                        "items",
                        "minItems",
                        "enum",
                        "anyOf",
                        "minimum",
                        "maxLength",
                        "$ref",
                    ]
                ),
                inner,
            )
        ),
    )
)
def test_no_description_breaks_it(schema: Any) -> None:
    """Whatever is described, there is a value that JSON can say, or a refusal."""
    with contextlib.suppress(NoExampleError):
        json.dumps(example({}, schema, "n"))
