"""Layers of an environment: the default template, a template over it, the environment over both, merged with the origin of each value."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from master.environments.variables import Variable, by_key
from master.errors import InputError, list_faults
from master.yaml_file.document import Document, DocumentFault, format_place, read_document

_HERE = Path(__file__).parent
LAYERS = next(
    (each for each in (_HERE / "shipped_layers", _HERE.parents[1] / "configs/environments") if each.is_dir()),
    _HERE / "shipped_layers",
)
"""Where the layers are: inside of the installed package, or in the repository."""
DEFAULT = "default"
GENERATE = "generate"
"""What stands in a layer in place of a secret."""


@dataclass(frozen=True)
class Setting:
    """A value, and the file and line that it is from."""

    value: str
    origin: str


Tree = dict[str, "Tree | Setting"]


def names_of(folder: Path) -> list[str]:
    """The layers in `folder`, by name."""
    return sorted(file.stem for file in folder.glob("*.yml"))


def merged_layers(environment: str, template: str, layers: Path = LAYERS) -> dict[str, Setting]:
    """The settings of all variables that the layers set, by the variable's name. Raises InputError, which tells all faults."""
    files = [
        _file(layers / "templates", DEFAULT, "template"),
        _file(layers / "templates", template, "template"),
        _file(layers, environment, "environment"),
    ]
    tree: Tree = {}
    documents: list[Document] = []
    for file in dict.fromkeys(files):
        document = read_document(file)
        merge(tree, document, (), document.data, layers)
        documents.append(document)
    faults = [(document.file, fault) for document in documents for fault in document.faults]
    if faults:
        raise _error(faults)
    return _by_name(tree)


def merge(tree: Tree, document: Document, place: tuple[str, ...], data: object, layers: Path) -> None:
    """Lay `data`, which stands at `place` of `document`, over `tree`: maps are merged by key, a value takes a value's place."""
    assert isinstance(data, Mapping)
    for key, value in data.items():
        inside = (*place, key)
        below = tree.get(key)
        if (wrong := _wrong(inside, value, below)) is not None:
            document.fault(inside, wrong)
        elif isinstance(value, Mapping):
            merge(tree.setdefault(key, {}), document, inside, value, layers)  # type: ignore[arg-type]  # a setting was refused
        else:
            origin = f"{document.file.relative_to(layers).as_posix()}:{document.line_of(inside)}"
            tree[key] = Setting(_text(value), origin)


def _wrong(place: tuple[str, ...], value: object, below: Tree | Setting | None) -> str | None:
    """Why `value` can't be laid over what is `below`."""
    key = format_place(place)
    is_group = any(each.startswith(f"{key}.") for each in by_key())
    if isinstance(value, list):
        over = "a map" if is_group or isinstance(below, dict) else "a value"
        return f"a list can't be merged into {over}"
    if isinstance(value, Mapping) != is_group and (is_group or key in by_key()):
        return "a value can't be merged into a map" if is_group else "a map can't be merged into a value"
    if not is_group and key not in by_key():
        return f"no variable or group of them{_near(key)}"
    if not is_group and by_key()[key].secret is not None and value != GENERATE:
        return f"a secret does not belong into a layer: write {GENERATE}"
    return None


def _near(key: str) -> str:
    groups = {each.partition(".")[0] for each in by_key()}
    found = difflib.get_close_matches(key, [*by_key(), *groups], n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _file(folder: Path, name: str, kind: str) -> Path:
    known = names_of(folder)
    if name in known:
        return folder / f"{name}.yml"
    if not known:
        raise InputError(f"there is no {kind} below {folder}", hint="Name a directory of layers with --layers.")
    found = difflib.get_close_matches(name.lower(), known, n=1)
    near = f"; did you mean {found[0]!r}?" if found else ""
    raise InputError(f"{name!r:.60} is no {kind}{near}", hint=f"There are {', '.join(known)}.")


def _by_name(tree: Tree) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for variable in by_key().values():
        group = tree.get(variable.group, {})
        setting = group.get(variable.field) if isinstance(group, dict) else None
        if isinstance(setting, Setting):
            found[variable.name] = setting
    return found


def in_order(names: Sequence[str]) -> list[Variable]:
    """The variables of these names, in the order of their declaration."""
    return [variable for variable in by_key().values() if variable.name in names]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _error(faults: Sequence[tuple[Path, DocumentFault]]) -> InputError:
    rows = list_faults((f"{file}:{fault.line}: {fault}" for file, fault in faults), len(faults))
    return InputError(f"{len(faults)} faults in the layers\n{rows}", hint="Correct the files; nothing was written.")
