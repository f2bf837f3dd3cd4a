"""A YAML file as plain data, with the line of everything in it.

Only what plain data needs is accepted: mappings with text keys, lists, and scalars. Anchors, aliases, merge keys and tags are
refused, which also leaves no way to make a small file grow large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from master.errors import InputError, list_faults
from master.inputs import decode_input, read_input, shorten_path
from master.yaml_file.nodes import ALIAS, compose, line_of
from master.yaml_file.scalars import ScalarError, check_characters, plain_scalar
from worker.printable import printable

MAX_FILE_BYTES = 1_000_000
_MAX_SCALAR_LENGTH = 10_000  # characters
_CORE = "tag:yaml.org,2002:"
_TAB = "found character '\\t' that cannot start any token"

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class DocumentFault:
    """One thing wrong with a file: where, by line and by path of keys, and what, which is only asked for when it is shown."""

    line: int
    place: Place
    text: str | Callable[[], str]

    def __str__(self) -> str:
        text = self.text if isinstance(self.text, str) else self.text()
        return printable(f"{format_place(self.place)}: {text}" if self.place else text)


@dataclass
class Document:
    """A file's data. `unread` are the places whose value is wrong as YAML; None stands there. A missing value is a fault."""

    file: Path
    data: object = None
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[DocumentFault] = field(default_factory=list)
    unread: set[Place] = field(default_factory=set)

    def fault(self, place: Place, text: str | Callable[[], str], line: int | None = None) -> None:
        """Note what is wrong at `place`, on its own line unless `line` is given. Silent where the YAML itself was wrong."""
        if self.unread and any(place[:length] in self.unread for length in range(len(place) + 1)):
            return
        self.faults.append(DocumentFault(self.line_of(place) if line is None else line, place, text))

    def line_of(self, place: Place) -> int:
        """The line on which the thing at `place` stands, or what holds it where nothing stands there."""
        known = next(place[:length] for length in range(len(place), -1, -1) if place[:length] in self.lines)
        return self.lines[known]

    def raise_faults(self) -> None:
        """Raise all faults as one InputError, by line; do nothing when there are none."""
        faults = sorted(dict.fromkeys(self.faults), key=lambda fault: (fault.line, format_place(fault.place)))
        if not faults:
            return
        hint = "correct the file; nothing was started"
        if len(faults) == 1:
            raise InputError(str(faults[0]), file=self.file, line=faults[0].line, hint=hint)
        rows = list_faults((f"{self.file}:{fault.line}: {fault}" for fault in faults), len(faults))
        raise InputError(f"{len(faults)} faults\n{rows}", file=self.file, hint=hint)


def format_place(place: Place) -> str:
    """`load[0].hold` for ("load", 0, "hold")."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def read_document(file: Path, max_bytes: int = MAX_FILE_BYTES) -> Document:
    """Read `file`. Raises InputError when it can't be read or is no YAML mapping; lesser faults are in the result."""
    file = shorten_path(file)
    return parse_document(_read_text(file, max_bytes), file)


def parse_document(text: str, file: Path) -> Document:
    """The document of a text that is, or is to be, in `file`. Raises InputError when it is no YAML mapping."""
    try:
        root, anchors = compose(text)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(file, error) from None
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        raise InputError("the file is empty", file=file, line=1)
    if not isinstance(root, yaml.MappingNode):
        raise InputError("the file is no mapping of keys to values", file=file, line=line_of(root.start_mark))
    document = Document(file, lines={(): line_of(root.start_mark)})
    for name, line in anchors:
        document.fault((), f"anchors (&{name:.60}) are not supported: write the value out where it is needed", line)
    document.data = _Builder(document).mapping(root, ())
    return document


def _read_text(file: Path, max_bytes: int) -> str:
    """The file's text, once it is known to be a regular file of reasonable size in printable UTF-8."""
    text = decode_input(file, read_input(file, max_bytes, hint="name a YAML file"))
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
    return InputError(f"not YAML: {problem}", file=file, line=1 if mark is None else line_of(mark))


class _Builder:
    """Turns nodes into data and notes lines and faults in the document."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, object]:
        lines = self._document.lines
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            if key is None:
                continue
            inside = (*place, key)
            line = line_of(key_node.start_mark)
            if key in data:
                self._document.fault(inside, f"given twice (first on line {lines[inside]})", line)
                continue
            # A scalar is wrong where it stands; a collection is known by its key.
            lines[inside] = line_of(value_node.start_mark) if isinstance(value_node, yaml.ScalarNode) else line
            data[key] = self._value(value_node, inside)
        return data

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        line = line_of(node.start_mark)
        if node.tag == f"{_CORE}merge":
            self._document.fault(place, "merge keys (<<) are not supported: write the keys out", line)
        elif not isinstance(node, yaml.ScalarNode) or node.tag != f"{_CORE}str" or len(node.value) > _MAX_SCALAR_LENGTH:
            shown = f"{node.value!r:.60}" if isinstance(node, yaml.ScalarNode) else "a collection"
            self._document.fault(place, f"{shown} as a key: keys must be text; quote it if it is meant", line)
        else:
            return self._text_key(node.value, place, line, quoted=bool(node.style))
        return None

    def _text_key(self, text: str, place: Place, line: int, *, quoted: bool) -> str | None:
        try:
            check_characters(text)
            plain_scalar(text, "str", quoted=quoted)
        except ScalarError as error:
            self._document.fault(place, f"as a key {error}", line)
            return None
        return text

    def _value(self, node: yaml.Node, place: Place) -> object:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self.mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            return [self._item(item, (*place, index)) for index, item in enumerate(node.value)]
        try:
            return self._scalar(node)
        except (ValueError, KeyError) as error:
            text = str(error) if isinstance(error, ScalarError) else f"{node.value!r:.60} is not what its tag says"
            self._document.fault(place, text, line_of(node.start_mark))
            self._document.unread.add(place)
            return None

    def _item(self, node: yaml.Node, place: Place) -> object:
        self._document.lines[place] = line_of(node.start_mark)
        return self._value(node, place)

    def _scalar(self, node: yaml.Node) -> object:
        kind = node.tag.removeprefix(_CORE)
        if node.tag == ALIAS:
            raise ScalarError(f"aliases (*{node.value:.60}) are not supported: write the value out")
        if kind == "null":
            raise ScalarError("is empty: give it a value, or leave it out")
        if not isinstance(node, yaml.ScalarNode) or kind not in _SCALARS:
            raise ScalarError(f"tags (!{kind.lstrip('!'):.60}) are not supported")
        if len(node.value) > _MAX_SCALAR_LENGTH:
            raise ScalarError(f"longer than {_MAX_SCALAR_LENGTH} characters")
        check_characters(node.value)
        return plain_scalar(node.value, kind, quoted=bool(node.style))


# A date is text here unless it was refused: nothing in a scenario is a point in time.
_SCALARS = frozenset({"str", "int", "float", "bool", "timestamp", "value"})
