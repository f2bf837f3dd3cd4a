"""Which public key is which node's: what a controller lets in. A file of mode 0600, changed at once and whole.

Only public keys are in it. They are worth hiding from nobody, but whoever could change one would be a node.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from master.trust.json_file import JsonFile, read_json_file

SCHEMA = "piswarm/allowlist/1"


class Allowlist(JsonFile, frozen=True, forbid_unknown_fields=True):
    """Public keys (Z85) by the names of their nodes."""

    nodes: dict[str, str]

    def problem(self, node: str, public_key: str) -> str:
        """Why `public_key` can't be that of `node`, in words; empty when it can. Pure."""
        known = self.nodes.get(node)
        if known not in (None, public_key):
            return "its node key is another than the one enrolled"
        twins = [name for name, key in self.nodes.items() if key == public_key and name != node]
        return f"its node key is that of {twins[0]} too: a copied SD card?" if twins else ""

    def changed(self, added: Mapping[str, str], removed: tuple[str, ...] = ()) -> Allowlist:
        """Another one, with `added`, and without `removed`. Pure."""
        kept = {name: key for name, key in {**self.nodes, **added}.items() if name not in removed}
        return Allowlist(self.schema, dict(sorted(kept.items())))


def load_allowlist(file: Path) -> Allowlist:
    """Read `file`; no file lets nobody in. Raises InputError."""
    return read_json_file(file, Allowlist(SCHEMA, {}), hint="restore it, or remove it and enroll anew")
