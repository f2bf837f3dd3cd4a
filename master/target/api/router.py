"""Finds the endpoint of a request by its path, a segment at a time: what it costs does not grow with the number of endpoints."""

from __future__ import annotations

from collections.abc import Iterable

from master.target.api import errors
from master.target.api.endpoint import Endpoint

_VARIABLE = "{}"


class _Branch:
    __slots__ = ("children", "endpoints")

    def __init__(self) -> None:
        self.children: dict[str, _Branch] = {}
        self.endpoints: dict[str, Endpoint] = {}


class Router:
    """The endpoints of an API by method and path. A fixed segment goes before a variable one. Pure."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Raises ValueError if two endpoints have one method and path."""
        self._root = _Branch()
        for endpoint in endpoints:
            branch = self._root
            for part in endpoint.path.split("/")[1:]:
                key = _VARIABLE if part.startswith("{") else part
                branch = branch.children.setdefault(key, _Branch())
            if endpoint.method in branch.endpoints:
                raise ValueError(f"{endpoint.method} {endpoint.path} is there twice")
            branch.endpoints[endpoint.method] = endpoint

    def find(self, path: str) -> tuple[dict[str, Endpoint], list[str]]:
        """The endpoints of a path by method, and the values of its variable parts in order. Raises ApiError 404."""
        values: list[str] = []
        # Nothing has a name with the character U+0000, which PostgreSQL's texts can't hold.
        sound = path.startswith("/") and "\0" not in path
        branch = _find(self._root, path.split("/")[1:], 0, values) if sound else None
        if branch is None:
            raise errors.not_found("path")
        return branch.endpoints, values


def choose(endpoints: dict[str, Endpoint], method: str) -> Endpoint:
    """The endpoint for a method; GET answers HEAD. Raises ApiError 405 that names what the path allows."""
    found = endpoints.get(method) or (endpoints.get("GET") if method == "HEAD" else None)
    if found is None:
        raise errors.method_not_allowed(allowed_methods(endpoints))
    return found


def allowed_methods(endpoints: Iterable[str]) -> list[str]:
    """The methods that a path allows, sorted, with the HEAD that comes with GET."""
    names = set(endpoints)
    return sorted(names | {"HEAD"} if "GET" in names else names)


def _find(branch: _Branch, parts: list[str], at: int, values: list[str]) -> _Branch | None:
    if at == len(parts):
        return branch if branch.endpoints else None
    part = parts[at]
    fixed = branch.children.get(part)
    if fixed is not None and part != _VARIABLE and (found := _find(fixed, parts, at + 1, values)) is not None:
        return found
    variable = branch.children.get(_VARIABLE)
    if variable is None or not part:
        return None
    values.append(part)
    if (found := _find(variable, parts, at + 1, values)) is None:
        values.pop()
    return found
