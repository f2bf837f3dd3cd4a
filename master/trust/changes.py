"""Every change of what a controller trusts: read, changed and written under one lock, so that of several at once none is lost.

Each changes what it was asked to and nothing else: what it had read before, to show it or to ask about it, does not count.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from master.errors import InputError
from master.trust.allowlist import Allowlist, load_allowlist
from master.trust.known_hosts import HostKey, KnownHosts, read_known_hosts
from master.trust.revoked import Revoked, load_revoked
from master.trust.state import StateDirectory

LOCK_S = 30.0
"""How long to wait for the lock, which nobody holds for longer than it takes to write three files."""
_POLL_S = 0.02
_MEANWHILE = "it was revoked meanwhile"


@dataclass
class Trust:
    """What is trusted, as the files have it while they are locked; what is put in state is written at the end."""

    known: KnownHosts
    allowlist: Allowlist
    revoked: Revoked

    def problem(self, node: str, public_key: str) -> str:
        """Why `node` can't be allowed with that key, empty for none yet, in words; empty when it can. Pure."""
        return self.revoked.problem(node, public_key) or (
            self.allowlist.problem(node, public_key) if public_key else ""
        )


def read_trust(state: StateDirectory) -> Trust:
    """What is trusted now. Raises InputError."""
    return Trust(read_known_hosts(state.known_hosts), load_allowlist(state.allowlist), load_revoked(state.revoked))


@contextmanager
def update_trust(state: StateDirectory) -> Iterator[Trust]:
    """Hold the lock; what the block puts in state is written when it ends without an error. Raises InputError, OSError."""
    state.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, state)
        trust = read_trust(state)
        known, allowlist, revoked = trust.known, trust.allowlist, trust.revoked
        yield trust
        # In this order, so that a crash in between trusts too little.
        if trust.revoked != revoked:
            trust.revoked.write(state.revoked)
        if trust.allowlist != allowlist:
            trust.allowlist.write(state.allowlist)
        if trust.known is not known:
            trust.known.write()
    finally:
        os.close(descriptor)  # which unlocks it


def _lock(descriptor: int, state: StateDirectory) -> None:
    until_s = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until_s:
                text = f"is held by another process for {LOCK_S:.0f} s already; nothing was changed"
                raise InputError(text, file=state.lock, hint="see who holds it: lsof, or lslocks") from None
            time.sleep(_POLL_S)
        else:
            return


def trust_host_keys(state: StateDirectory, added: Mapping[str, tuple[str, HostKey]], since: Revoked) -> dict[str, str]:
    """Trust these host keys, each with its node's name, by state; by name, those that are not trusted, and why.

    `since` is what was revoked when the operator began to look: what was since then stays so.
    """
    refused = {}
    with update_trust(state) as trust:
        taken = {}
        for where, (name, key) in added.items():
            there = trust.known.at(where)
            if trust.revoked.nodes.get(name) != since.nodes.get(name):
                refused[name] = _MEANWHILE
            elif there not in (None, key):
                refused[name] = "another key was enrolled for it meanwhile"
            else:
                taken[where] = key
        if taken:
            trust.known = trust.known.changed(taken)
    return refused


def allow_nodes(state: StateDirectory, keys: Mapping[str, str]) -> dict[str, str]:
    """Allow the nodes of these keys, by name; by name, those that are refused, and why."""
    with update_trust(state) as trust:
        return _allow(trust, keys)


def enroll_nodes(
    state: StateDirectory, names: Iterable[str], keys: Mapping[str, str], since: Revoked
) -> dict[str, str]:
    """Take back the revocations of `names`, and allow those that have keys; by name, those that are refused, and why.

    Of what was revoked after `since`, nothing is taken back: the operator who enrolls did not know of it.
    """
    with update_trust(state) as trust:
        late = {name for name, at in trust.revoked.nodes.items() if since.nodes.get(name) != at}
        late |= {name for key, name in trust.revoked.keys.items() if key not in since.keys}
        trust.revoked = trust.revoked.reinstating(set(names) - late)
        refused = {name: _MEANWHILE for name in keys if name in late}
        return refused | _allow(trust, {name: key for name, key in keys.items() if name not in late})


def _allow(trust: Trust, keys: Mapping[str, str]) -> dict[str, str]:
    refused = {}
    for name, key in keys.items():
        problem = trust.problem(name, key)
        if problem:
            refused[name] = problem
        else:
            trust.allowlist = trust.allowlist.changed({name: key})
    return refused


def revoke(state: StateDirectory, node: str, places: Sequence[str]) -> tuple[bool, bool]:
    """Trust neither the host keys at `places` nor the node key of `node` any more; whether each was there."""
    with update_trust(state) as trust:
        had_host_key = any(trust.known.at(where) is not None for where in places)
        had_node_key = node in trust.allowlist.nodes
        _revoke_keys(trust, [node], {node: datetime.now(UTC).isoformat(timespec="microseconds")})
        if had_host_key:
            trust.known = trust.known.changed({}, places)
    return had_host_key, had_node_key


def forget_keys(state: StateDirectory, nodes: Iterable[str]) -> None:
    """The keys of these `nodes` have been destroyed: they are refused from now on. The nodes may come with others."""
    with update_trust(state) as trust:
        _revoke_keys(trust, nodes, {})


def _revoke_keys(trust: Trust, nodes: Iterable[str], revoked_at: Mapping[str, str]) -> None:
    keys = {name: trust.allowlist.nodes[name] for name in nodes if name in trust.allowlist.nodes}
    trust.revoked = trust.revoked.revoking(keys, revoked_at)
    trust.allowlist = trust.allowlist.changed({}, tuple(keys))
