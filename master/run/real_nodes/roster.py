"""The real nodes of a run: which hosts of an inventory, by which keys they are known, and where they find the controller."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from master.errors import InputError
from master.formatting import listed
from master.inventory.inventory import GROUP, read_inventory
from master.inventory.node_settings import check_controllers
from master.trust.state import StateDirectory, controller_keys, read_allowlist
from worker.wire.curve import Keys
from worker.wire.work import Assignment, Project, Work

_SHOWN = 5


class RosterNode(msgspec.Struct, frozen=True):
    """One node: the public key that it was enrolled with, and what the inventory says of it."""

    name: str
    public_key: str
    workers: int | None = None
    """None: one for each core."""
    weight: float | None = None
    """Capacity in cores of a Raspberry Pi 4 at full clock; None: as the node has measured."""
    rack: str | None = None
    """The inventory's group that says where it is, to group it by; None: no group but those that piswarm knows."""


class Roster(msgspec.Struct, frozen=True):
    """All nodes of a run, the address of this machine that they know, and the directory with the keys that they trust."""

    members: list[RosterNode]
    host: str
    port: int
    state: str

    @property
    def names(self) -> list[str]:
        """The nodes, in the inventory's order."""
        return [member.name for member in self.members]

    @property
    def weights(self) -> dict[str, float]:
        """Of the nodes that have one."""
        return {member.name: member.weight for member in self.members if member.weight is not None}

    @property
    def allowlist(self) -> dict[str, str]:
        """Node name by public key."""
        return {member.public_key: member.name for member in self.members}

    def untrusted(self) -> set[str]:
        """The nodes that are not allowed any more with the keys that they had when the run began, by the files as they are now.

        Raises InputError where they can't be read. The allowlist was there: none now is a mistake, and revokes nobody.
        """
        state = Path(self.state)
        if not StateDirectory(state).allowlist.exists():
            raise InputError(
                "no such file", file=StateDirectory(state).allowlist, hint="restore it, or enroll the nodes anew"
            )
        trusted = read_allowlist(state)
        return {member.name for member in self.members if trusted.get(member.public_key) != member.name}

    def controller_keys(self) -> Keys:
        """The controller's own keys. Raises InputError."""
        return controller_keys(Path(self.state))


def read_roster(inventory: Path, limit: str | None, state: Path) -> Roster:
    """The nodes of `inventory`, only those of `limit` where it is given. `state` is the directory that `fab` keeps its keys in.

    Raises InputError: also when a node was not enrolled, or they know the controller by different addresses.
    """
    hosts = read_inventory(inventory).hosts(GROUP, limit=limit)
    check_controllers(hosts)
    addresses = {host.controller for host in hosts}
    if len(addresses) > 1:
        shown = listed(sorted(str(address) for address in addresses), _SHOWN)
        raise InputError(
            f"the nodes know the controller by different addresses: {shown}",
            file=inventory,
            hint="One run has one controller: correct piswarm_controller, or use --limit.",
        )
    host, _, port = str(addresses.pop()).removeprefix("tcp://").rpartition(":")
    enrolled = {node: key for key, node in read_allowlist(state).items()}
    strangers = [found.name for found in hosts if found.name not in enrolled]
    if strangers:
        raise InputError(
            f"{listed(strangers, _SHOWN)} not enrolled: {state} has no key of {'it' if len(strangers) == 1 else 'them'}",
            hint="Run fab enroll and fab deploy-workers, or leave them out with --limit.",
        )
    members = [
        RosterNode(found.name, enrolled[found.name], found.workers, found.weight, rack_of(found.groups))
        for found in hosts
    ]
    return Roster(members, host.strip("[]"), int(port), str(state.resolve()))


def rack_of(groups: Sequence[str]) -> str | None:
    """Of a host's groups the one that names its rack: `rack…` before others; those that piswarm knows say nothing of the place."""
    others = sorted(set(groups) - {GROUP, "controller", "ungrouped"})
    return next((name for name in others if name.startswith("rack")), others[0] if others else None)


def assignments(
    work: Work, nodes: Sequence[str], roster: Roster | None, project: Project | None
) -> dict[str, Assignment]:
    """Work order for each of all `nodes` of a run; simulated nodes have one worker each.

    They fetch the operator's `project`, since real nodes have no copy of it.
    """
    if project is not None:
        work = msgspec.structs.replace(work, root=None, working_directory=None)
    if roster is None:
        return {
            name: Assignment(work, number, len(nodes), workers=1, project=project) for number, name in enumerate(nodes)
        }
    return {
        member.name: Assignment(work, number, len(nodes), member.workers, project)
        for number, member in enumerate(roster.members)
    }
