"""The shape of the `data` section of a scenario: tables of rows, such as accounts, that users take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, ValidationInfo, model_validator

from master.scenario.schema.base import Shape
from master.scenario.suggest import did_you_mean
from worker.wire.rows import AtEnd, Use

MAX_TABLES = 100
_USES = {
    Use.UNIQUE: ("each row to one user of the whole fleet, once", ("shared", "queue", "once", "sequential")),
    Use.CYCLE: ("in turn, from the first one again after the last", ("circular", "recycle", "loop", "round_robin")),
    Use.RANDOM: ("any row, at random", ("shuffle", "rand", "choice")),
}
"""Meaning of each use, and what other tools call it."""
_AT_END = {
    AtEnd.STOP_USER: ("the user that finds no row is stopped", ("user", "stop_thread", "stopuser")),
    AtEnd.STOP_CLASS: ("all users of its class are", ("class",)),
    AtEnd.STOP_RUN: ("the run ends, and is judged on what was steady", ("run", "stop", "stop_test", "stop_all")),
}


def _table_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,99}", name):
        raise ValueError(f"{name!r:.120} is no name of a table: use letters, digits, _ and -, 100 at most")
    return name


def _word(kind: Any, known: Any, value: object) -> Any:
    """The member of the enumeration `kind` that `value` names; else ValueError, with the meaning of those there are."""
    if isinstance(value, str):
        if value in list(kind):
            return kind(value)
        other = next((each for each, (_, names) in known.items() if value.lower() in names), None)
        near = f"; did you mean {str(other)!r}?" if other else did_you_mean(value, map(str, kind))
    else:
        near = ""
    listed = ", ".join(f"{each} ({meaning})" for each, (meaning, _) in known.items())
    raise ValueError(f"{value!r:.60} is unknown{near} (known: {listed})")


def _existing(value: object, info: ValidationInfo) -> Path:
    missing = f"{value!r:.200}: no such file; the path is relative to the scenario file"
    folder: Path = info.context.folder  # type: ignore[union-attr]  # a ScenarioContext
    try:
        if isinstance(value, str):
            found = (folder / value).resolve()
            if found.is_file():
                return found
            if found.exists():
                missing = f"{value!r:.200} is no file"
    except (OSError, ValueError):  # a name too long, or with a zero byte
        pass
    raise ValueError(missing)


class DataShape(Shape):
    """One table of `data`."""

    file: Annotated[Path, PlainValidator(_existing)]
    use: Annotated[Use, PlainValidator(lambda value: _word(Use, _USES, value))]
    at_end: Annotated[AtEnd | None, PlainValidator(lambda value: _word(AtEnd, _AT_END, value))] = None

    @model_validator(mode="after")
    def _has_an_end(self) -> DataShape:
        if self.at_end is not None and self.use is not Use.UNIQUE:
            raise ValueError(f"at_end: rows with use {self.use} have no end: leave it out, or say 'use: unique'")
        return self


TableName = Annotated[str, AfterValidator(_table_name)]
