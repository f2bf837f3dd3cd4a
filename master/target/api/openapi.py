"""The API's description by OpenAPI 3.1, made of its endpoints: what is served is what is described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from master.target.api.bodies import JSON
from master.target.api.endpoint import Binary, Endpoint, Streamed
from master.target.api.messages import ErrorBody

_COMPONENT = "#/components/schemas/{name}"
_WITHOUT_CONTENT = {204, 304}


def describe(endpoints: Sequence[Endpoint], title: str, version: str) -> dict[str, Any]:
    """The description as what JSON encodes."""
    types: list[type[msgspec.Struct]] = [ErrorBody]
    for endpoint in endpoints:
        for used in (endpoint.body, endpoint.query, endpoint.headers, endpoint.reply):
            if isinstance(used, type) and used not in types:
                types.append(used)
    schemas, components = msgspec.json.schema_components(types, ref_template=_COMPONENT)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(endpoint: Endpoint, schemas: dict[type, Any], components: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in endpoint.parameters
    ]
    for place, kind in (("query", endpoint.query), ("header", endpoint.headers)):
        if kind is not None:
            fields = components[kind.__name__]["properties"]
            required = components[kind.__name__].get("required", ())
            parameters += [
                {"name": name, "in": place, "required": name in required, "schema": schema}
                for name, schema in fields.items()
            ]
    content: dict[str, Any] = {}
    if not isinstance(endpoint.reply, str):
        content = {"content": {JSON: {"schema": schemas[endpoint.reply]}}}
    elif endpoint.reply:
        content = {"content": {endpoint.reply: {}}}
    responses: dict[str, Any] = {
        str(status): {"description": "done", **({} if status in _WITHOUT_CONTENT else content)}
        for status in (endpoint.status, *endpoint.other_statuses)
    }
    error = {"description": "refused", "content": {JSON: {"schema": schemas[ErrorBody]}}}
    responses |= {str(status): error for status in endpoint.error_statuses}
    operation: dict[str, Any] = {"summary": endpoint.summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if isinstance(endpoint.body, Binary):
        body = {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}}
        operation["requestBody"] = {"required": True, "content": body}
    elif isinstance(endpoint.body, Streamed):
        streamed = {endpoint.body.media_type: {"schema": endpoint.body.schema}}
        operation["requestBody"] = {"required": True, "content": streamed}
    elif endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas[endpoint.body]}}}
    if endpoint.roles is not None:
        operation["security"] = [{"token": []}]
        if endpoint.roles:
            operation["x-roles"] = [role.value for role in endpoint.roles]
    return operation
