"""YAML text as nodes, without what could make a small file grow large: aliases stay marks, anchors are only noted."""

from __future__ import annotations

import contextlib
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

ALIAS = "!alias"
"""The tag of a scalar that stands where an alias was; its value is the alias."""
_DEEPEST = 20  # nested collections; a scenario has three


class _NotingComposer(Composer):
    """Composes nodes from events; knows the anchors it has seen."""

    anchors_seen: list[tuple[str, int]]
    _depth: int

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[attr-defined] # of the parser that this is joined with
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[attr-defined]
            mark: Any = event.start_mark
            return yaml.ScalarNode(ALIAS, event.anchor, mark, mark)
        if event.anchor is not None:
            self.anchors_seen.append((event.anchor, line_of(event.start_mark)))
            event.anchor = None
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode) and event.tag is not None:
            node.style = node.style or "!"  # its tag says what it is, as quotes do
        return node  # type: ignore[no-any-return] # PyYAML has no types for events


class _Loader(_NotingComposer, yaml.SafeLoader):
    """Parses in Python: everywhere there, and exact about what is wrong."""

    def __init__(self, text: str) -> None:
        yaml.SafeLoader.__init__(self, text)
        self.anchors_seen = []
        self._depth = 0


if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _FastLoader(_NotingComposer, CParser, SafeConstructor, Resolver):
        """Parses by libyaml, which takes a twentieth of the time."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)
            self.anchors_seen = []
            self._depth = 0


def compose(text: str) -> tuple[yaml.Node | None, list[tuple[str, int]]]:
    """The root node of `text` (None when it is empty), and the anchors in it with their lines.

    Raises yaml.MarkedYAMLError.
    """
    if yaml.__with_libyaml__:
        with contextlib.suppress(yaml.MarkedYAMLError):  # the other one says it better, and perhaps takes it
            return _compose(_FastLoader(text))
    return _compose(_Loader(text))


def _compose(loader: _Loader | _FastLoader) -> tuple[yaml.Node | None, list[tuple[str, int]]]:
    root: yaml.Node | None = loader.get_single_node()
    return root, loader.anchors_seen


def line_of(mark: Any) -> int:
    """The line of a mark, from 1."""
    return int(mark.line) + 1
