"""The schema and the reference of result.json, made of its structs: `make result-schema` writes both into the documentation."""

from __future__ import annotations

import ast
import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

from master.judge.result import SCHEMA, Result

DOCS = Path(__file__).parents[1] / "docs/performance"
SCHEMA_FILE = DOCS / "result.schema.json"
PAGE = DOCS / "result.md"
BEGIN, END = "<!-- made by make result-schema -->\n", "<!-- end of what is made -->\n"

Schema = dict[str, Any]


def read_result(path: Path) -> dict[str, Any]:
    """A result.json that a run has left. Raises jsonschema.ValidationError where the documented schema does not hold."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    validate(found)
    return found


def validate(result: Any) -> None:
    """Raise jsonschema.ValidationError where the documented schema does not hold of a result, as read from its file."""
    _validator().validate(result)


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))


def schema() -> Schema:
    """The JSON Schema: every key is there in every result, but for those that a row has in its own unit alone."""
    (whole,), definitions = msgspec.json.schema_components([Result], ref_template="#/$defs/{name}")
    for struct in _structs():
        _complete(definitions[struct.__name__], struct)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **whole,
        "$defs": definitions,
    }


def schema_text() -> str:
    """The file of the schema."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def tables() -> str:
    """The part of the page that is made: a table for each object, in the order in which they are met."""
    definitions = schema()["$defs"]
    return "\n".join(_table(name, definitions[name]) for name in _order(definitions, Result.__name__))


def page_text() -> str:
    """The page, with its tables made anew."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def _structs() -> list[type[msgspec.Struct]]:
    found: dict[type[msgspec.Struct], None] = {}
    waiting: list[Any] = [msgspec.inspect.type_info(Result)]
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in found:
                continue
            found[info.cls] = None
            waiting += [field.type for field in info.fields]
        elif isinstance(info, msgspec.inspect.UnionType):
            waiting += info.types
        elif isinstance(info, msgspec.inspect.ListType):
            waiting.append(info.item_type)
        elif isinstance(info, msgspec.inspect.DictType):
            waiting += [info.key_type, info.value_type]
        elif isinstance(info, msgspec.inspect.Metadata):
            waiting.append(info.type)
    return list(found)


def _complete(definition: Schema, struct: type[msgspec.Struct]) -> None:
    """Add what the structs say and msgspec leaves out."""
    definition["description"] = inspect.cleandoc(struct.__doc__ or "")
    optional = [field.name for field in msgspec.structs.fields(struct) if field.default is msgspec.UNSET]
    definition["required"] = [name for name in definition["properties"] if name not in optional]
    if optional:  # limit and observed, in one unit
        units = dict.fromkeys(name.partition("_")[2] for name in optional)
        definition["oneOf"] = [
            {"required": [name for name in optional if name.partition("_")[2] == unit]} for unit in units
        ]
    documented = _field_docs(struct)
    for name, key in definition["properties"].items():
        key.pop("default", None)  # each key is written, so that nobody has to know what stands for one that is missing
        if name in documented:
            definition["properties"][name] = {"description": documented[name], **key}


def _field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """What stands below the fields in the source."""
    (found,) = ast.parse(inspect.getsource(struct)).body
    assert isinstance(found, ast.ClassDef)
    said = {}
    for field, below in zip(found.body, found.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                said[name] = " ".join(text.split())
    return said


def _order(definitions: Schema, name: str) -> list[str]:
    found = [name]
    for each in found:
        found += [other for other in _referred(definitions[each]) if other not in found]
    return found


def _referred(part: Any) -> list[str]:
    names = []
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if key == "$ref":
            names.append(value.rpartition("/")[2])
        elif isinstance(value, dict | list):
            names += _referred(value)
    return list(dict.fromkeys(names))


def _table(name: str, definition: Schema) -> str:
    rows = [
        f"| `{key}` | {_kind(value)} | {value.get('description', '').replace('|', chr(92) + '|')} |"
        for key, value in definition["properties"].items()
    ]
    head = ["| key | value | meaning |", "|---|---|---|"]
    return "\n".join([f"### {name}", "", definition["description"], "", *head, *rows, ""])


def _kind(key: Schema) -> str:
    match key:
        case {"$ref": ref}:
            name = ref.rpartition("/")[2]
            said = f"[{name}](#{name.lower()})"
        case {"anyOf": kinds}:
            said = " or ".join(map(_kind, kinds))
        case {"enum": values}:
            said = ", ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": dict(items)}:
            said = f"list of {_kind(items)}"
        case {"type": "array", "prefixItems": list(items)}:
            said = " and ".join(map(_kind, items))
        case {"type": "object", "additionalProperties": kind}:
            said = f"{_kind(kind)} by name"
        case _:
            said = {"string": "text", "boolean": "true or false"}.get(key["type"], key["type"])
    return said


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), "utf-8")
    PAGE.write_text(page_text(), "utf-8")
