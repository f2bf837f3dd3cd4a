"""Header fields of every request of a user, which a task may change at any time. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from geventhttpclient.header import Headers


class DefaultHeaders(MutableMapping[str, Any]):
    """Values by header name in any case (RFC 9110 5.1): text, bytes, or a list of them. A change calls all of `on_change`."""

    def __init__(self, *layers: Any) -> None:
        """`layers` are mappings or pairs; a value in a later one takes the place of one of that name in an earlier one."""
        self._fields: dict[str, tuple[str, Any]] = {}
        self.on_change: list[Callable[[], None]] = []
        for layer in layers:
            for name in dict(layer):
                self[name] = layer.getlist(name) if isinstance(layer, Headers) else dict(layer)[name]

    def __getitem__(self, name: str) -> Any:
        return self._fields[name.lower()][1]

    def __setitem__(self, name: str, value: Any) -> None:
        self._fields[name.lower()] = name, value
        self._changed()

    def __delitem__(self, name: str) -> None:
        del self._fields[name.lower()]
        self._changed()

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def _changed(self) -> None:
        for notify in self.on_change:
            notify()
