"""A YAML file as plain data, with the line of everything in it.

Only what plain data needs is let in: mappings with text keys, lists, and scalars. Anchors, aliases, merge keys and tags are
refused, which also leaves no way to make a small file grow large.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from master.errors import InputError

LARGEST_BYTES = 1_000_000
_DEEPEST = 20  # nested collections; a scenario has three, an inventory of nested groups two for each level
_LONGEST_SCALAR = 10_000  # characters
_CORE = "tag:yaml.org,2002:"
_ALIAS = "!alias"
_TAB = "found character '\\t' that cannot start any token"

Place = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong with a file: where, by line and by path of keys, and what."""

    line: int
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


@dataclass
class Document:
    """A file's data. `unread` are the places whose value is wrong as YAML; None stands there.

    Where `lenient`, nothing as a value is None, and no fault: an inventory is full of hosts with nothing to say of them.
    Otherwise a value that is missing is a fault. Dates are refused in a lenient file, text in another.
    """

    file: Path
    data: object = None
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unread: set[Place] = field(default_factory=set)
    lenient: bool = False

    def fault(self, place: Place, text: str, line: int | None = None) -> None:
        """Note what is wrong at `place`, on its own line unless told another. Silent where the YAML itself was wrong."""
        if any(place[: len(bad)] == bad for bad in self.unread):
            return
        self.faults.append(Fault(self.line_of(place) if line is None else line, place_text(place), text))

    def line_of(self, place: Place) -> int:
        """The line on which the thing at `place` stands, or what holds it where nothing stands there."""
        known = next(place[:length] for length in range(len(place), -1, -1) if place[:length] in self.lines)
        return self.lines[known]

    def raise_faults(self) -> None:
        """Raise all faults as one InputError, by line; do nothing when there are none."""
        faults = sorted(set(self.faults))
        if not faults:
            return
        hint = "correct the file; nothing was started"
        if len(faults) == 1:
            raise InputError(str(faults[0]), file=self.file, line=faults[0].line, hint=hint)
        rows = [f"  {self.file}:{fault.line}: {fault}" for fault in faults]
        raise InputError("\n".join([f"{len(faults)} faults", *rows]), file=self.file, hint=hint)


def place_text(place: Place) -> str:
    """`load[0].hold` for ("load", 0, "hold")."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def read_document(file: Path, *, lenient: bool = False) -> Document:
    """Read `file`. Raises InputError when it can't be read or is no YAML mapping; lesser faults are in the result.

    `lenient` takes values that are missing, and an empty file as an empty mapping (see Document).
    """
    text = _read_text(file)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(file, error) from None
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        if lenient:
            return Document(file, {}, lines={(): 1}, lenient=True)
        raise InputError("the file is empty", file=file, line=1)
    if not isinstance(root, yaml.MappingNode):
        raise InputError("the file is no mapping of keys to values", file=file, line=_line(root.start_mark))
    document = Document(file, lines={(): _line(root.start_mark)}, lenient=lenient)
    for name, line in loader.anchors_seen:
        document.fault((), f"anchors (&{name}) are not supported: write the value out where it is needed", line)
    document.data = _Builder(loader, document).mapping(root, ())
    return document


def _read_text(file: Path) -> str:
    """The file's text, once it is known to be a regular file of reasonable size in printable UTF-8."""
    try:
        if not file.is_file():
            raise InputError("is not a file" if file.exists() else "no such file", file=file, hint="name a YAML file")
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"can't be read: {error}", file=file) from None
    if len(content) > LARGEST_BYTES:
        raise InputError("is larger than 1 MB", file=file, line=1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError("is not UTF-8 text", file=file, line=line, hint="save the file as UTF-8") from None
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise InputError(f"the character {found.group()!r} can't stand in YAML", file=file, line=line)
    return text


def _syntax_error(file: Path, error: yaml.MarkedYAMLError) -> InputError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "not understood"
    if problem == _TAB:
        problem = "a tab where YAML allows only spaces"
    elif problem == "but found another document":
        problem = "a second document: such a file holds one"
    elif error.context:
        problem = f"{problem} ({error.context})"
    return InputError(f"not YAML: {problem}", file=file, line=1 if mark is None else _line(mark))


def _line(mark: yaml.Mark) -> int:
    return mark.line + 1


class _Loader(yaml.SafeLoader):
    """Composes nodes; aliases become marked placeholders, anchors are only noted."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.anchors_seen: list[tuple[str, int]] = []
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call] # the stubs leave the parser out
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            mark: Any = event.start_mark
            return yaml.ScalarNode(_ALIAS, event.anchor, mark, mark)
        if event.anchor is not None:
            self.anchors_seen.append((event.anchor, _line(event.start_mark)))
            event.anchor = None
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Builder:
    """Turns nodes into data and notes lines and faults in the document."""

    def __init__(self, loader: _Loader, document: Document) -> None:
        self._loader = loader
        self._document = document

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, object]:
        lines = self._document.lines
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            if key is None:
                continue
            inside = (*place, key)
            line = _line(key_node.start_mark)
            if key in data:
                self._document.fault(inside, f"given twice (first on line {lines[inside]})", line)
                continue
            # A scalar is wrong where it stands; a collection is known by its key.
            lines[inside] = _line(value_node.start_mark) if isinstance(value_node, yaml.ScalarNode) else line
            data[key] = self._value(value_node, inside)
        return data

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        line = _line(node.start_mark)
        if node.tag == f"{_CORE}merge":
            self._document.fault(place, "merge keys (<<) are not supported: write the keys out", line)
        elif node.tag != f"{_CORE}str" or len(node.value) > _LONGEST_SCALAR:
            shown = repr(node.value) if isinstance(node, yaml.ScalarNode) else "a collection"
            self._document.fault(place, f"{shown[:60]} as a key: keys must be text; quote it if it is meant", line)
        else:
            return str(node.value)
        return None

    def _value(self, node: yaml.Node, place: Place) -> object:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self.mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            return [self._item(item, (*place, index)) for index, item in enumerate(node.value)]
        try:
            return self._scalar(node)
        except (ValueError, KeyError) as error:
            text = str(error) if isinstance(error, _ScalarError) else f"{node.value!r:.60} is not what its tag says"
            self._document.fault(place, text, _line(node.start_mark))
            self._document.unread.add(place)
            return None

    def _item(self, node: yaml.Node, place: Place) -> object:
        self._document.lines[place] = _line(node.start_mark)
        return self._value(node, place)

    def _scalar(self, node: yaml.Node) -> object:
        kind = node.tag.removeprefix(_CORE)
        if node.tag == _ALIAS:
            raise _ScalarError(f"aliases (*{node.value}) are not supported: write the value out")
        if kind == "null" and self._document.lenient:
            return None
        if kind == "null":
            raise _ScalarError("is empty: give it a value, or leave it out")
        if kind == "timestamp" and self._document.lenient:
            raise _ScalarError("dates are not supported: quote it, to make it text")
        if not isinstance(node, yaml.ScalarNode) or kind not in _SCALARS:
            raise _ScalarError(f"tags (!{kind.lstrip('!')}) are not supported")
        if len(node.value) > _LONGEST_SCALAR:
            raise _ScalarError(f"longer than {_LONGEST_SCALAR} characters")
        if kind in ("int", "float", "bool"):
            return self._loader.construct_object(node)
        try:
            node.value.encode()
        except UnicodeEncodeError:
            raise _ScalarError("holds half a surrogate pair, which is no character") from None
        return str(node.value)


class _ScalarError(ValueError):
    """A scalar that is refused, with the message for the operator."""


# A date is text here unless it was refused: nothing in a scenario is a point in time.
_SCALARS = frozenset({"str", "int", "float", "bool", "timestamp", "value"})
