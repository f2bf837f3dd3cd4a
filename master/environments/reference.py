"""The reference of all variables, made of their declarations: for the terminal, for programs, and for the documentation."""

from __future__ import annotations

from master.environments.variables import Variable, declared

HEAD = ("variable", "what", "kind", "range", "unit", "default", "read by")
NONE = "–"


def rows() -> list[tuple[str, ...]]:
    """A row for each variable, as HEAD has the columns."""
    return [
        (
            each.name,
            each.description,
            each.kind,
            _range(each),
            each.unit or NONE,
            each.default or NONE,
            each.reader.replace("`", ""),
        )
        for each in declared().values()
    ]


def markdown() -> str:
    """The table of the documentation."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line([f"`{name}`", *cells]) for name, *cells in rows()]
    return "\n".join(lines) + "\n"


def document() -> dict[str, object]:
    """The same for programs."""
    return {
        "schema": "piswarm/env-variables/1",
        "variables": [
            {
                "variable": each.name,
                "key": each.key,
                "description": each.description,
                "kind": each.kind,
                "min": each.least,
                "max": each.most,
                "unit": each.unit or None,
                "default": each.default,
                "read_by": each.reader.replace("`", ""),
                "secret": each.secret is not None,
            }
            for each in declared().values()
        ],
    }


def _range(variable: Variable) -> str:
    if variable.secret is not None:
        return f"{variable.secret.least}–{variable.secret.most} characters"
    if variable.least is None or variable.most is None:
        return NONE
    return f"{variable.least:.12g}–{variable.most:.12g}"


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
