"""Nodes and keys that are revoked. Without it, whoever still remembers a node's key could allow the node again.

A node that was revoked is allowed by a new enrolment alone; so is a key that was a node's when it was revoked or removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from master.trust.json_file import JsonFile, read_json_file

SCHEMA = "piswarm/revoked/1"


class Revoked(JsonFile, frozen=True, forbid_unknown_fields=True):
    """What was revoked, and not enrolled again since."""

    nodes: dict[str, str]
    """Nodes that were revoked, and when (UTC, to the microsecond): no two revocations of one node have the same."""
    keys: dict[str, str]
    """Public keys (Z85), and whose they were."""

    def problem(self, node: str, public_key: str) -> str:
        """Why `node` with that key, empty for none yet, is refused, in words; empty when it may be. Pure."""
        if node in self.nodes:
            return f"it was revoked at {self.nodes[node]}"
        return f"its node key is the one that {self.keys[public_key]} had until then" if public_key in self.keys else ""

    def revoking(self, keys: Mapping[str, str], revoked_at: Mapping[str, str]) -> Revoked:
        """Another one, where these `keys` of nodes, by name, count no more, and nodes are `revoked_at`. Pure."""
        nodes = {**self.nodes, **revoked_at}
        gone = {key: name for name, key in keys.items()}
        return Revoked(self.schema, dict(sorted(nodes.items())), dict(sorted({**self.keys, **gone}.items())))

    def reinstating(self, nodes: Iterable[str]) -> Revoked:
        """Another one, where `nodes` are enrolled anew. Pure."""
        gone = set(nodes)
        kept = {key: name for key, name in self.keys.items() if name not in gone}
        return Revoked(self.schema, {name: at for name, at in self.nodes.items() if name not in gone}, kept)


def load_revoked(file: Path) -> Revoked:
    """Read `file`; no file is no revocation. Raises InputError."""
    return read_json_file(file, Revoked(SCHEMA, {}, {}), hint="restore it: it says which nodes and keys are refused")
