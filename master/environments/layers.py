"""Layers of an environment: the default template, a template over it, the environment over both, merged with the origin of each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from master.environments.variables import MAX_SUGGESTIONS, Variable, by_key
from master.errors import InputError
from master.scenario.suggest import did_you_mean
from master.yaml_file.document import Document, format_place, read_document

_HERE = Path(__file__).parent
LAYERS = next(
    (each for each in (_HERE / "shipped_layers", _HERE.parents[1] / "configs/environments") if each.is_dir()),
    _HERE / "shipped_layers",
)
"""Where the layers are: inside of the installed package, or in the repository."""
MAX_BYTES = 64_000
"""Of a layer: far beyond one that sets all variables."""
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


def merge_layers(environment: str, template: str, layers: Path = LAYERS) -> tuple[dict[str, Setting], list[str]]:
    """The settings of all variables that the layers set, by the variable's name; and a line for each fault of the layers."""
    tree: Tree = {}
    faults: list[str] = []
    wanted = [(layers / "templates", DEFAULT, "template"), (layers / "templates", template, "template")]
    for folder, name, kind in dict.fromkeys([*wanted, (layers, environment, "environment")]):
        try:
            document = read_document(_file(folder, name, kind), MAX_BYTES)
        except InputError as error:
            faults.append(error.message)
            continue
        merge(tree, document, f"{'templates/' if kind == 'template' else ''}{name}.yml", (), document.data)
        faults += [f"{document.file}:{fault.line}: {fault}" for fault in document.faults]
    return _by_name(tree), faults


def merge(tree: Tree, document: Document, layer: str, place: tuple[str, ...], data: object) -> None:
    """Lay `data`, which stands at `place` of the document of `layer`, over `tree`: maps are merged by key, a value takes a value's place."""
    assert isinstance(data, Mapping)
    for key, value in data.items():
        inside = (*place, key)
        below = tree.get(key)
        if (wrong := _wrong(inside, value, below, suggest=len(document.faults) < MAX_SUGGESTIONS)) is not None:
            document.fault(inside, wrong)
        elif isinstance(value, Mapping):
            merge(tree.setdefault(key, {}), document, layer, inside, value)  # type: ignore[arg-type]  # a setting was refused
        else:
            tree[key] = Setting(_text(value), f"{layer}:{document.line_of(inside)}")


def _wrong(place: tuple[str, ...], value: object, below: Tree | Setting | None, *, suggest: bool) -> str | None:
    """Why `value` can't be laid over what is `below`."""
    key = format_place(place)
    is_group = any(each.startswith(f"{key}.") for each in by_key())
    if isinstance(value, list):
        over = "a map" if is_group or isinstance(below, dict) else "a value"
        return f"a list can't be merged into {over}"
    if isinstance(value, Mapping) != is_group and (is_group or key in by_key()):
        return "a value can't be merged into a map" if is_group else "a map can't be merged into a value"
    if not is_group and key not in by_key():
        return "no variable or group of them" + (_near(key) if suggest else "")
    if not is_group and by_key()[key].secret is not None and value != GENERATE:
        return f"a secret does not belong into a layer: write {GENERATE}"
    return None


def _near(key: str) -> str:
    groups = {each.partition(".")[0] for each in by_key()}
    return did_you_mean(key, [*by_key(), *groups])


def _file(folder: Path, name: str, kind: str) -> Path:
    known = names_of(folder)
    if name in known:
        return folder / f"{name}.yml"
    if not known:
        raise InputError(f"there is no {kind} below {folder}: name a directory of layers with --layers")
    raise InputError(f"{name!r:.60} is no {kind}{did_you_mean(name, known)} (there are {', '.join(known)})")


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
