"""The settings file of each node: its name, its controller's address and public key. Pure."""

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
    """Content of a node's node.json: one line, here without its newline."""

    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal, as `sha256sum` prints it."""
        return hashlib.sha256(f"{self.text}\n".encode()).hexdigest()


def make_settings(host: Host, public_key: str) -> SettingsFile:
    """Return the settings of `host` for a controller with that public key. `host.controller` must be known (check_controllers)."""
    assert host.controller is not None
    return SettingsFile(msgspec.json.encode(NodeSettings(host.name, Endpoint(host.controller, public_key))).decode())


def check_controllers(hosts: Iterable[Host]) -> None:
    """Raise InputError with the names of those of `hosts` that have no address of the controller."""
    without = [host.name for host in hosts if host.controller is None]
    if without:
        raise InputError(
            f"no {VARIABLE} for {listed(without, 5)}",
            hint=f"say in the inventory how the nodes reach the controller, such as {VARIABLE}: 192.0.2.1",
        )
