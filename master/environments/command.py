"""What `piswarm env` does, and shows of it: tables for people, JSON documents for programs. Secrets are in neither."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from master.environments import reference
from master.environments.files import EnvironmentFile, raise_faults, read_file, read_valid_file
from master.environments.generate import Generated
from master.environments.generate import generate as generate_file
from master.environments.layers import LAYERS, Setting, in_order, merge_layers
from master.environments.variables import declared
from master.errors import ExitCode
from worker.printable import printable

SECRET = "(secret)"  # noqa: S105  # what is shown in place of one
UNSET = "–"
WIDE = 1000
"""Columns of what is no terminal: no line is cut."""


def generate(environment: str, template: str, assignments: Sequence[str], out: Path, **options: Any) -> Generated:
    """As `generate.generate`; `as_json` chooses how it is told."""
    as_json = options.pop("as_json")
    done = generate_file(environment, template, assignments, out, **options)
    facts = {
        "schema": "piswarm/env-generate/1",
        "file": str(out),
        "environment": environment,
        "template": template,
        "variables": len(done.settings),
        "secrets_made": list(done.made),
        "secrets_kept": list(done.kept),
    }
    if as_json:
        _print_json(facts)
    else:
        secrets = ", ".join([*(f"{name} new" for name in done.made), *(f"{name} kept" for name in done.kept)]) or "none"
        _say(
            f"{out}: {environment}, template {template}: {len(done.settings)} variables, mode 0600; secrets: {secrets}"
        )
    return done


def validate(files: Sequence[Path], *, as_json: bool) -> int:
    """Check files; the exit status. Raises InputError with all faults of all of them, unless they are printed as JSON."""
    found = [read_file(path) for path in files]
    if not as_json:
        raise_faults(found)
        for file in found:
            _say(f"{file.path}: valid, {len(file.assignments)} variables")
        return ExitCode.PASS
    documents = [
        {
            "file": str(file.path),
            "valid": not file.faults,
            "faults": [
                {"line": fault.line or None, "variable": fault.name or None, "message": printable(fault.text)}
                for fault in file.faults
            ],
        }
        for file in found
    ]
    _print_json({"schema": "piswarm/env-validate/1", "files": documents})
    return ExitCode.INPUT if any(file.faults for file in found) else ExitCode.PASS


def diff(first: Path, second: Path, *, as_json: bool) -> int:
    """Show in what two files differ; 0 when in nothing, 1 otherwise. Of secrets only that they differ. Raises InputError."""
    files = [read_file(first), read_file(second)]
    raise_faults(files)
    one, other = (file.values for file in files)
    names = [each.name for each in in_order([*one, *other]) if one.get(each.name) != other.get(each.name)]
    rows = [{"variable": name, "first": _shown(name, one), "second": _shown(name, other)} for name in names]
    if as_json:
        _print_json({"schema": "piswarm/env-diff/1", "first": str(first), "second": str(second), "differences": rows})
    elif rows:
        _print_table(
            ["variable", str(first), str(second)], [[str(cell or UNSET) for cell in row.values()] for row in rows]
        )
    else:
        _say(f"{first} and {second} set the same")
    return ExitCode.FAIL if rows else ExitCode.PASS


def show(path: Path, *, origin: bool, defaults: bool, layers: Path = LAYERS, as_json: bool) -> None:
    """Show what a file sets, where each value is from, and on demand what its readers take where it sets nothing."""
    file = read_valid_file(path)
    made_of = _settings_of(file, layers) if origin else {}
    rows = []
    for variable in declared().values():
        name = variable.name
        if name in file.assignments:
            value, where = _shown(name, file.values), _origin(file, name, made_of)
        elif defaults:
            value, where = variable.default, "default"
        else:
            continue
        row = {
            "variable": name,
            "value": value,
            "unit": variable.unit or None,
            "read_by": variable.reader.replace("`", ""),
        }
        rows.append(row | ({"origin": where} if origin else {}))
    if as_json:
        _print_json({"schema": "piswarm/env-show/1", "file": str(path), "variables": rows})
    else:
        head = ["variable", "value", "unit", "read by", *(["origin"] if origin else [])]
        _print_table(head, [[str(cell or UNSET) for cell in row.values()] for row in rows])


def variables(*, as_json: bool, markdown: bool) -> None:
    """Show all variables there are."""
    if as_json:
        _print_json(reference.document())
    elif markdown:
        _say(reference.markdown().rstrip("\n"))
    else:
        _print_table(reference.HEAD, reference.rows())


def _settings_of(file: EnvironmentFile, layers: Path) -> dict[str, Setting]:
    """What the layers that a file was generated from say today; nothing where that can't be told."""
    if file.made_of is None:
        return {}
    settings, faults = merge_layers(*file.made_of, layers)
    return {} if faults else settings


def _origin(file: EnvironmentFile, name: str, made_of: dict[str, Setting]) -> str:
    found = made_of.get(name)
    if found is not None and found.value == file.values[name]:
        return found.origin
    return f"{file.path}:{file.assignments[name].line}"


def _shown(name: str, values: dict[str, str]) -> str | None:
    if name not in values:
        return None
    return SECRET if declared()[name].secret is not None else values[name]


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in head:
        table.add_column(Text(printable(title)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table, highlight=False)


def _say(line: str) -> None:
    Console().print(line, markup=False, highlight=False, soft_wrap=True)


def _print_json(facts: object) -> None:
    print(json.dumps(facts, indent=2, ensure_ascii=False))  # noqa: T201  # what was asked for
