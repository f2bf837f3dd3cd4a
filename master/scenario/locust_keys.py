"""Keys of a scenario that say what Locust's command line would: tags, the locustfile's own options, environment variables; shares of users."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, PlainValidator

from master.scenario.schema.base import MAX_USERS, max_length
from worker.wire.work import ArgumentValue, UserShare

MAX_NAMES = 1000
MAX_TEXT = 10_000
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_SHARE = re.compile(r"=\s*([0-9]{1,8})(?:\s+per\s+(node|worker))?")
_OURS = ("PISWARM_", "LD_", "PYTHON")
"""What variables begin with that would change the worker's process, and not the locustfile."""


def parse_share(value: object) -> UserShare:
    """A weight, a fixed count, or a count of each node or worker; ValueError for anything else."""
    if isinstance(value, str):
        count = _SHARE.fullmatch(value.strip())
        if count and 1 <= int(count[1]) <= MAX_USERS:
            match count[2]:
                case "node":
                    return UserShare(per_node=int(count[1]))
                case "worker":
                    return UserShare(per_worker=int(count[1]))
            return UserShare(fixed_count=int(count[1]))
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_USERS:
        return UserShare(weight=value)
    raise ValueError(
        f'{value!r:.60} is neither a weight above 0, e.g. 8, nor a fixed count, e.g. "= 3", "= 1 per node" or '
        f'"= 1 per worker" ({MAX_USERS} at most)'
    )


def format_share(share: UserShare) -> float | str:
    """A share as `parse_share` reads it."""
    if share.per_node:
        return f"= {share.per_node} per node"
    if share.per_worker:
        return f"= {share.per_worker} per worker"
    if share.fixed_count:
        return f"= {share.fixed_count}"
    return int(share.weight) if float(share.weight).is_integer() else share.weight


def _parse_arguments(value: object) -> dict[str, ArgumentValue]:
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004  # what pydantic takes for a finding
            "is no mapping of the locustfile's own options to their values, e.g. {tenant: acme}"
        )
    found: dict[str, ArgumentValue] = {}
    for name, given in value.items():
        plain = str(name).removeprefix("--").replace("-", "_")
        if not isinstance(name, str) or not _OPTION.fullmatch(plain):
            raise ValueError(f"{name!r:.100} is no name of an option: write tenant for --tenant")
        if plain in found:
            raise ValueError(f"{plain!r} is given twice")
        found[plain] = [_text(name, each) for each in given] if isinstance(given, list) else _value(name, given)
    return found


def _value(name: str, given: object) -> str | bool:
    return given if isinstance(given, bool) else _text(name, given)


def _text(name: str, given: object) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError(  # noqa: TRY004  # as above
            f"{name}: {given!r:.100} is no value of an option: give a text, a number, true, or a list of these"
        )
    text = str(given)
    if len(text) > MAX_TEXT or "\0" in text:
        raise ValueError(f"{name}: has more than {MAX_TEXT} characters, or a zero byte")
    return text


def _check_tag(tag: str) -> str:
    if not tag or len(tag) > 200 or not tag.isprintable():
        raise ValueError(f"{tag!r:.100} is no tag")
    return tag


def _check_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(
            f"{name!r:.100} is no name of an environment variable; its value is that of where piswarm is started"
        )
    if name.startswith(_OURS) or name in {"PATH", "HOME"}:
        raise ValueError(f"{name}: nodes have their own")
    return name


Tags = Annotated[list[Annotated[str, AfterValidator(_check_tag)]], max_length(MAX_NAMES)]
Variables = Annotated[list[Annotated[str, AfterValidator(_check_variable)]], max_length(MAX_NAMES)]
Arguments = Annotated[dict[str, ArgumentValue], max_length(MAX_NAMES), PlainValidator(_parse_arguments)]
Share = Annotated[UserShare, PlainValidator(parse_share)]


def find_project_faults(given: Mapping[str, object]) -> dict[str, str]:
    """Of a scenario without a locustfile the keys that need one, and `users` where it has none, each with what is wrong."""
    faults = {
        key: "is for a locustfile, and this scenario names none"
        for key in ("tags", "exclude_tags", "arguments", "environment")
        if given.get(key)
    }
    return faults if given.get("users") is not None else faults | {"users": "required, but not given"}
