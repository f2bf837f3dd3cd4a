"""The headers that each request of a user has, which a task may change at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from geventhttpclient.header import Headers


class DefaultHeaders(MutableMapping[str, Any]):
    """Values by header name in any case, each a text, bytes, or a list of them; what is in `on_change` is called when one changes."""

    def __init__(self, *layers: Any) -> None:
        """Of mappings, or pairs: a later one takes the place of an earlier one of that name."""
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
