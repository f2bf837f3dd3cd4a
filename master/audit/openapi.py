"""The target's operations, from its OpenAPI description. Pure; the description is hostile input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
MAX_OPERATIONS = 500
_MAX_REFERENCES = 16
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation; `place` is path, query, header or cookie."""

    name: str
    place: str
    required: bool
    schema: Mapping[str, Any]

    @property
    def takes_text(self) -> bool:
        """Whether any string may be given."""
        schema = self.schema
        kinds = [schema.get("type"), *(_type(option) for option in _list(schema.get("anyOf")))]
        return "string" in kinds and not any(key in schema for key in ("enum", "format", "pattern", "const"))


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path. `roles` are those that may call it (x-roles); empty: any account, or nobody knows."""

    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body_type: str | None
    body_schema: Mapping[str, Any]
    secured: bool
    roles: tuple[str, ...]

    @property
    def name(self) -> str:
        """Method and path template."""
        return f"{self.method} {self.path}"

    @property
    def is_plain_read(self) -> bool:
        """Whether it is a GET that needs no parameter."""
        return self.method == "GET" and "{" not in self.path and not any(each.required for each in self.parameters)

    def path_with(self, value: str) -> str:
        """Its path, with `value` for each variable part."""
        return "/".join(
            quote(value, safe="") if part.startswith("{") else quote(part, safe="{}:@!$&'()*+,;=~%")
            for part in self.path.split("/")
        )

    def properties(self) -> Mapping[str, Any]:
        """The fields of its JSON body."""
        return _mapping(self.body_schema.get("properties"))


def parse_operations(description: Any) -> list[Operation]:
    """The first MAX_OPERATIONS operations; what is no description has none."""
    root = _mapping(description)
    found: list[Operation] = []
    for path, item in _mapping(root.get("paths")).items():
        if not path.startswith("/") or "?" in path or "#" in path:
            continue
        for method in _METHODS:
            if isinstance(item, Mapping) and isinstance(item.get(method), Mapping):
                found.append(_operation(root, method, path, item))
                if len(found) == MAX_OPERATIONS:
                    return found
    return found


def _operation(root: Mapping[str, Any], method: str, path: str, item: Mapping[str, Any]) -> Operation:
    operation = _mapping(item[method])
    content = _mapping(_mapping(resolved(root, operation.get("requestBody"))).get("content"))
    body_type = JSON if JSON in content else next(iter(content), None)
    schema = resolved(root, _mapping(content.get(body_type)).get("schema")) if body_type else {}
    security = operation.get("security", root.get("security"))
    requirements = _list(security)
    return Operation(
        method.upper(),
        path,
        tuple(_parameters(root, [*_list(item.get("parameters")), *_list(operation.get("parameters"))])),
        body_type,
        _mapping(schema),
        bool(requirements) and all(bool(each) for each in requirements),
        tuple(role for role in _list(operation.get("x-roles")) if isinstance(role, str)),
    )


def _parameters(root: Mapping[str, Any], listed: list[Any]) -> list[Parameter]:
    found = []
    for each in listed:
        parameter = _mapping(resolved(root, each))
        name, place = parameter.get("name"), parameter.get("in")
        if isinstance(name, str) and isinstance(place, str):
            schema = _mapping(resolved(root, parameter.get("schema")))
            found.append(Parameter(name, place, parameter.get("required") is True, schema))
    return found


def resolved(root: Mapping[str, Any], value: Any) -> Any:
    """`value`, or what it refers to within the description; nothing after a circle of references."""
    for _ in range(_MAX_REFERENCES):
        reference = _mapping(value).get("$ref")
        if not isinstance(reference, str):
            return value
        value = root if reference.startswith("#/") else None
        for part in reference.removeprefix("#/").split("/"):
            value = _mapping(value).get(part.replace("~1", "/").replace("~0", "~"))
    return None


def _type(schema: Any) -> Any:
    return _mapping(schema).get("type")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
