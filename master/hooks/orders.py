"""What the sender is told at its start, what it is told to send, and what it says at its end. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from master.errors import InputError
from master.hooks.model import VARIABLE, Hook, variables_of

MODULE = "master.hooks.sender"
SCHEMA = "piswarm/hook/1"


class Receiver(msgspec.Struct, frozen=True):
    """A hook with the values of its variables; `name` says which it is without them."""

    name: str
    events: list[str]
    url: str | None = None
    headers: dict[str, str] = {}
    command: list[str] = []


class SenderOrders(msgspec.Struct, frozen=True):
    """Who gets calls."""

    receivers: list[Receiver]


class Call(msgspec.Struct, frozen=True):
    """One call: the JSON document that a receiver gets. What is unknown, or not of this event, is null."""

    event: str
    run: str
    scenario: str
    target: str
    at: str
    """UTC, ISO 8601."""
    text: str
    """All of it in one sentence, as chat programs show it."""
    offset_s: float | None = None
    """Seconds since the load began."""
    nodes: list[str] = []
    nodes_total: int = 0
    """All that are meant; `nodes` has the first."""
    verdict: str | None = None
    reason: str | None = None
    directory: str | None = None
    """The run directory on the controller."""
    schema: str = SCHEMA


class Delivered(msgspec.Struct, frozen=True):
    """What became of the calls of all receivers; `faults` say which failed, and why."""

    sent: int
    failed: int
    faults: list[str]


def receivers_of(hooks: Sequence[Hook], environ: Mapping[str, str]) -> list[Receiver]:
    """The hooks with the values of their variables. Raises InputError for one that is not set, or can't be in a header."""
    missing = [name for name in variables_of(hooks) if not environ.get(name)]
    if missing:
        raise InputError(
            f"hooks: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set in the environment",
            hint="Set it, or take the hook out of the scenario.",
        )
    for name in variables_of(hooks):
        if not environ[name].isprintable():
            raise InputError(f"hooks: the value of {name} has characters that can't be in a URL or a header")

    def filled(text: str) -> str:
        return VARIABLE.sub(lambda found: environ[found[1]], text)

    for number, hook in enumerate(hooks, 1):
        if hook.url is not None and not re.match(r"https?://[!-~]+", filled(hook.url)):
            raise InputError(
                f"hooks: the URL of hook {number} is none, with its variables filled in",
                hint="It must begin with http:// or https://.",
            )
    return [
        Receiver(
            f"hook {number} ({hook.command[0] if hook.url is None else hook.url})",
            list(hook.events),
            None if hook.url is None else filled(hook.url),
            {name: filled(value) for name, value in hook.headers.items()},
            list(hook.command),
        )
        for number, hook in enumerate(hooks, 1)
    ]
