"""What each node is told: its name, and where its controller is and by which key it is known. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from master.errors import InputError
from master.formatting import listed
from master.inventory.host import Host
from worker.agent.settings import NodeSettings
from worker.wire.curve import Endpoint

VARIABLE = "piswarm_controller"


@dataclass(frozen=True)
class SettingsFile:
    """The content of a node's node.json, but for the end of its only line."""

    text: str

    @property
    def digest(self) -> str:
        """As `sha256sum` shows it for the file."""
        return hashlib.sha256(f"{self.text}\n".encode()).hexdigest()


def settings_of(host: Host, public_key: str) -> SettingsFile:
    """What `host` is to be told, by a controller of that public key. It must have an address for it."""
    assert host.controller is not None
    return SettingsFile(msgspec.json.encode(NodeSettings(host.name, Endpoint(host.controller, public_key))).decode())


def check_controllers(hosts: Iterable[Host]) -> None:
    """Raise InputError, naming them, where some of `hosts` do not know how to reach the controller."""
    without = [host.name for host in hosts if host.controller is None]
    if without:
        raise InputError(
            f"no {VARIABLE} for {listed(without, 5)}",
            hint=f"say in the inventory how the nodes reach the controller, such as {VARIABLE}: 192.0.2.1",
        )
