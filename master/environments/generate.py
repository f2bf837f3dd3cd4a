"""Make an environment: merge its layers, set what the operator sets, make or keep its secrets, and check all of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from master.environments.file_format import quote
from master.environments.files import EXISTS_HINT, read_valid_file, render, write_file
from master.environments.kinds import Secret
from master.environments.layers import LAYERS, Setting, in_order, merged_layers
from master.environments.variables import check_values, declared, unknown
from master.errors import InputError

SET = "--set"
"""The origin of what the operator sets."""


@dataclass(frozen=True)
class Generated:
    """What was written."""

    file: Path
    environment: str
    template: str
    settings: Mapping[str, Setting]
    """A secret has layers.GENERATE for a value."""
    made: tuple[str, ...]
    """Secrets that are new."""
    kept: tuple[str, ...]
    """Secrets of the file that it takes the place of."""


def make_secret(kind: Secret) -> str:
    """A new secret from the system's generator."""
    return "".join(secrets.choice(kind.alphabet) for _ in range(kind.length))


def generate(
    environment: str,
    template: str,
    assignments: Sequence[str],
    out: Path,
    *,
    force: bool = False,
    rotate: bool = False,
    layers: Path = LAYERS,
) -> Generated:
    """Write the environment to `out`. Raises InputError, which tells all faults; then nothing was written."""
    settings = merged_layers(environment, template, layers) | _parse_assignments(assignments)
    wanted = [name for name in settings if declared()[name].secret is not None]
    values = {name: setting.value for name, setting in settings.items() if name not in wanted}
    _check(values, settings)
    there = out.exists() or out.is_symlink()
    if there and not (force or rotate):
        raise InputError("is there already", file=out, hint=EXISTS_HINT)
    kept = {} if rotate or not there else read_valid_file(out).values
    kept = {name: kept[name] for name in wanted if name in kept}
    made = {name: make_secret(kind) for name in wanted if name not in kept and (kind := declared()[name].secret)}
    text = render(environment, template, values | kept | made, in_order([*settings]))
    write_file(out, text, replace=there)
    return Generated(out, environment, template, settings, tuple(made), tuple(kept))


def _parse_assignments(assignments: Sequence[str]) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    faults: list[str] = []
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name or not value:
            # What follows may be a secret that was meant for elsewhere.
            faults.append(f"{SET} {name:.60}: write NAME=VALUE")
        elif name not in declared():
            faults.append(f"{SET} {name:.60}: {unknown(name)}")
        elif declared()[name].secret is not None:
            faults.append(f"{SET} {name}: a secret on a command line can be seen by others; put it into the file later")
        elif name in found:
            faults.append(f"{SET} {name}: set twice")
        else:
            found[name] = Setting(value, SET)
    _raise(faults)
    return found


def _check(values: Mapping[str, str], settings: Mapping[str, Setting]) -> None:
    faults = [
        f"{settings[name].origin}: {name}: {text}" for name, texts in check_values(values).items() for text in texts
    ]
    for name, value in values.items():
        try:
            quote(value)
        except ValueError as error:
            faults.append(f"{settings[name].origin}: {name}: {error}")
    _raise(faults)


def _raise(faults: Sequence[str]) -> None:
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise InputError("\n".join([count, *(f"  {row}" for row in faults)]), hint="Nothing was written.")
