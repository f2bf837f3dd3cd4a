"""What a node is told once, when a release is deployed to it: who it is, and who its controller is. No secret is in it.

It is in `node.json` of the node's own directory (/etc/piswarm), whose owner is the user that the agent runs as; the node's keys
are in `keys` beside it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from worker.wire.curve import Endpoint

SETTINGS = "node.json"
KEYS = "keys"


class NodeSettings(msgspec.Struct, frozen=True):
    """A node's name, and its controller."""

    node: str
    controller: Endpoint


def read_settings(directory: Path) -> NodeSettings:
    """The settings in `directory`. Raises OSError, or ValueError when what is there are none."""
    try:
        return msgspec.json.decode((directory / SETTINGS).read_bytes(), type=NodeSettings)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{directory / SETTINGS} holds no settings: {error}") from None
