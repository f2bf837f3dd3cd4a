"""The declared variables as a table, and checks of values against it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from master.environments.declarations import GROUPS
from master.environments.kinds import NAMES, Secret
from master.scenario.suggest import did_you_mean

MAX_SUGGESTIONS = 30
"""So many wrong names of a file are told with the nearest that is right; a file with more of them is of something else."""


@dataclass(frozen=True)
class Variable:
    """One variable, as it is declared."""

    name: str
    group: str
    field: str
    kind: str
    default: str | None
    """What the reader takes where it is not set."""
    least: float | None
    most: float | None
    unit: str
    description: str
    reader: str
    secret: Secret | None

    @property
    def key(self) -> str:
        """The path of its keys in a file of a layer."""
        return f"{self.group}.{self.field}"


@cache
def declared() -> Mapping[str, Variable]:
    """All variables by name, in the order in which files and tables have them."""
    return types.MappingProxyType({variable.name: variable for variable in _declared()})


@cache
def by_key() -> Mapping[str, Variable]:
    """All variables by their path in layers."""
    return types.MappingProxyType({variable.key: variable for variable in declared().values()})


def unknown(name: str, *, suggest: bool = True) -> str:
    """What to say of a name that is none; on demand with the nearest that is one, to find which takes about a millisecond."""
    return "no variable that piswarm reads" + (did_you_mean(name, declared()) if suggest else "")


def check_values(values: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong with values of known variables, by name; secrets are never repeated. Pure."""
    found: dict[str, list[str]] = {}
    for group, model in GROUPS.items():
        given = {
            each.field: values[each.name] for each in by_key().values() if each.group == group and each.name in values
        }
        try:
            model(**given)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_context=False, include_input=False):
                name = by_key()[f"{group}.{fault['loc'][0]}"].name
                found.setdefault(name, []).append(_presented(fault["msg"]))
    for name, value in values.items():
        secret = declared()[name].secret
        if secret is not None and name not in found:
            try:
                secret.check(value)
            except ValueError as error:
                found[name] = [str(error)]
    for name, text in _together(values):
        found.setdefault(name, []).append(text)
    return found


def _together(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with values beside each other, which their readers would refuse."""
    port = values.get("PISWARM_RUN_PORT")
    if port not in {None, "0"} and port == values.get("PISWARM_RUN_METRICS_PORT"):
        yield "PISWARM_RUN_METRICS_PORT", "is the port of PISWARM_RUN_PORT: give each one of its own"
    if "PISWARM_RUN_INVENTORY" in values:
        for name in ("PISWARM_RUN_LOCAL", "PISWARM_RUN_SEPARATE"):
            if values.get(name, "false") != "false":
                yield name, "is for simulated nodes, and PISWARM_RUN_INVENTORY for real ones: leave one out"
    if {"PISWARM_TARGET_PASSWORD", "PISWARM_TARGET_PASSWORD_FILE"} <= values.keys():
        yield "PISWARM_TARGET_PASSWORD_FILE", "wins over PISWARM_TARGET_PASSWORD: leave one out"


def _presented(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should", "should")


def _declared() -> Iterator[Variable]:
    for group, model in GROUPS.items():
        prefix = model.model_config.get("env_prefix", "")
        hints = typing.get_type_hints(model, include_extras=True)
        for field, info in model.model_fields.items():
            extra: dict[str, Any] = info.json_schema_extra  # type: ignore[assignment]
            least, most = _bounds(info)
            yield Variable(
                name=extra["name"] or f"{prefix}{field.upper()}",
                group=group,
                field=field,
                kind="secret" if extra["secret"] else _kind(hints[field]),
                default=None if info.default is None else _text(info.default),
                least=least,
                most=most,
                unit=extra["unit"],
                description=info.description or "",
                reader=" ".join((model.__doc__ or "").split()).rstrip("."),
                secret=extra["secret"],
            )


def _kind(hint: Any) -> str:
    """The name of an annotation, which may leave the value open (None)."""
    hint = next((each for each in typing.get_args(hint) if each is not type(None)), hint) if _is_union(hint) else hint
    return NAMES.get(hint) or " or ".join(typing.get_args(hint))


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in {typing.Union, types.UnionType}


def _bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    least: Any = next((each.ge for each in info.metadata if isinstance(each, annotated_types.Ge)), None)
    most: Any = next((each.le for each in info.metadata if isinstance(each, annotated_types.Le)), None)
    return least, most


def _text(default: object) -> str:
    return f"{default:g}" if isinstance(default, float) and default < 1e6 else str(default)
