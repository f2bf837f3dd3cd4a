"""A node's settings, written when a release is deployed to it: its name and its controller. They hold no secret.

They are in `node.json` of the node's directory (/etc/piswarm), which belongs to the user that the agent runs as; the node's
keys are in `keys` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from worker.wire.curve import Endpoint

SETTINGS = "node.json"
KEYS = "keys"
DIRECTORY_VARIABLE = "PISWARM_AGENT_DIRECTORY"


class NodeSettings(msgspec.Struct, frozen=True):
    """A node's name, and its controller."""

    node: str
    controller: Endpoint


def find_directory(arguments: Sequence[str], environment: Mapping[str, str]) -> Path | None:
    """The node's directory: the one argument, else of the environment; None where neither or too much is said. Pure."""
    named = list(arguments) or [value for value in [environment.get(DIRECTORY_VARIABLE)] if value]
    return Path(named[0]) if len(named) == 1 else None


def read_settings(directory: Path) -> NodeSettings:
    """Read the settings in `directory`. Raises OSError, or ValueError when they are not valid."""
    try:
        return msgspec.json.decode((directory / SETTINGS).read_bytes(), type=NodeSettings)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{directory / SETTINGS} holds no settings: {error}") from None
