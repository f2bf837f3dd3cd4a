"""A body that a description allows: the smallest that is easily made up. Pure; the description is hostile input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from master.audit.openapi import resolved

_MAX_VALUES = 1000
"""Of one body: a description of a few lines can ask for any number of them."""
_MAX_DEPTH = 8
_MAX_LENGTH = 256  # of a text or a list that is made up
_TEXTS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "piswarm-audit@example.invalid",
    "uri": "https://example.invalid/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class NoExampleError(Exception):
    """The schema asks for what is not made up here, such as a text by a pattern."""


def example(root: Any, schema: Any, name: str) -> Any:
    """A value of `schema`; `root` is the whole description, `name` what texts say. Raises NoExampleError."""
    return _Maker(root, name).value(schema, 0)


class _Maker:
    def __init__(self, root: Any, name: str) -> None:
        self._root = root
        self._name = name
        self._values = 0
        self._makers: Mapping[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._text,
            "integer": _number,
            "number": _number,
            "boolean": lambda *_: False,
            "null": lambda *_: None,
        }

    def value(self, schema: Any, depth: int) -> Any:
        found = resolved(self._root, schema)
        self._values += 1
        if not isinstance(found, Mapping) or depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise NoExampleError
        if stated := [found[key] for key in ("const", "default") if key in found]:
            return stated[0]
        if "enum" in found:
            return _first(found["enum"])
        if options := [found[key] for key in ("anyOf", "oneOf", "allOf") if key in found]:
            return self.value(_first(options[0], only="allOf" in found), depth + 1)
        kind = found.get("type", "object" if "properties" in found else None)
        maker = self._makers.get(str(_first(kind) if isinstance(kind, list) else kind))
        if maker is None:
            raise NoExampleError
        return maker(found, depth)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            raise NoExampleError
        return {key: self.value(properties.get(key), depth + 1) for key in required if isinstance(key, str)}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        least, places = schema.get("minItems", 0), schema.get("prefixItems", [])
        if not isinstance(least, int) or least > _MAX_LENGTH or not isinstance(places, list):
            raise NoExampleError
        return [
            self.value(places[number] if number < len(places) else schema.get("items"), depth + 1)
            for number in range(least)
        ]

    def _text(self, schema: Mapping[str, Any], _depth: int) -> str:
        text = _TEXTS.get(str(schema.get("format")), self._name)
        least, most = schema.get("minLength", 0), schema.get("maxLength", _MAX_LENGTH)
        if "pattern" in schema or not isinstance(least, int) or not isinstance(most, int) or least > _MAX_LENGTH:
            raise NoExampleError
        return text.ljust(least, "x")[: max(0, most)]


def _number(schema: Mapping[str, Any], _depth: int) -> int | float:
    least = schema.get("minimum", 0)
    most = schema.get("maximum", least)
    sound = isinstance(least, int | float) and isinstance(most, int | float)
    if not sound or "exclusiveMinimum" in schema or "multipleOf" in schema:
        raise NoExampleError
    found: int | float = min(least, most)
    return found


def _first(options: Any, *, only: bool = False) -> Any:
    if not isinstance(options, list) or not options or (only and len(options) > 1):
        raise NoExampleError
    return options[0]
