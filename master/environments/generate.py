"""Make an environment: merge its layers, set what the operator sets, make or keep its secrets, and check all of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from master.environments.declarations import GROUPS
from master.environments.file_format import quote
from master.environments.files import EXISTS_HINT, read_valid_file, render, write_file
from master.environments.kinds import Secret
from master.environments.layers import LAYERS, Setting, in_order, merge_layers
from master.environments.variables import check_values, declared, unknown
from master.errors import InputError
from master.scenario.suggest import did_you_mean

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
    only: Sequence[str] = (),
    force: bool = False,
    rotate: bool = False,
    layers: Path = LAYERS,
) -> Generated:
    """Write the environment to `out`, or of it the variables of the groups `only`.

    Raises InputError, which tells all faults; then nothing was written.
    """
    merged, faults = merge_layers(environment, template, layers)
    assigned, wrong = _parse_assignments(assignments)
    unknown_groups = [_unknown_group(name) for name in only if name not in GROUPS]
    faults += wrong + unknown_groups
    settings = _of_groups(merged | assigned, () if unknown_groups else only)
    faults += [
        f"{SET} {name}: {declared()[name].group} is not what --only names" for name in assigned if name not in settings
    ]
    wanted = [name for name in settings if declared()[name].secret is not None]
    faults += _faults_of({name: each for name, each in settings.items() if name not in wanted})
    _raise(faults)
    there = out.exists() or out.is_symlink()
    if there and not (force or rotate):
        raise InputError("is there already", file=out, hint=EXISTS_HINT)
    kept = _secrets_of(out, wanted) if there and not rotate else {}
    made = {name: make_secret(kind) for name in wanted if name not in kept and (kind := declared()[name].secret)}
    values = {name: kept.get(name) or made.get(name) or setting.value for name, setting in settings.items()}
    write_file(out, render(environment, template, values, in_order([*settings])), replace=there)
    return Generated(out, environment, template, settings, tuple(made), tuple(kept))


def _secrets_of(file: Path, wanted: Sequence[str]) -> dict[str, str]:
    """The secrets of a file that is to be replaced. Raises InputError where the new one has no place for one of them."""
    found = {name: value for name, value in read_valid_file(file).values.items() if declared()[name].secret is not None}
    if lost := sorted(found.keys() - set(wanted)):
        raise InputError(
            f"the new file would have no {', '.join(lost)}, and the secret would be lost",
            file=file,
            hint="Name another file with --out, or give the secret up with --rotate.",
        )
    return found


def _of_groups(settings: Mapping[str, Setting], only: Sequence[str]) -> dict[str, Setting]:
    return {name: each for name, each in settings.items() if not only or declared()[name].group in only}


def _unknown_group(name: str) -> str:
    return f"--only {name:.60}: no group{did_you_mean(name, GROUPS)} (there are {', '.join(GROUPS)})"


def _parse_assignments(assignments: Sequence[str]) -> tuple[dict[str, Setting], list[str]]:
    """What is set, and what is wrong with it."""
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
    return found, faults


def _faults_of(settings: Mapping[str, Setting]) -> list[str]:
    """What is wrong with values, each with where it is from."""
    values = {name: each.value for name, each in settings.items()}
    faults = [(name, text) for name, texts in check_values(values).items() for text in texts]
    for name, value in values.items():
        try:
            quote(value)
        except ValueError as error:
            faults.append((name, str(error)))
    return [f"{settings[name].origin}: {name}: {text}" for name, text in faults]


def _raise(faults: Sequence[str]) -> None:
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise InputError("\n".join([count, *(f"  {row}" for row in faults)]), hint="Nothing was written.")
