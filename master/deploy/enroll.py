"""First contact: host keys are shown by their fingerprints and trusted on the operator's word; node keys are let in.

Nothing else ever adds a host key, and nobody replaces one: a host that was set up anew is revoked first.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import paramiko

from master.deploy.allowlist import allowlist_in
from master.deploy.deploy import let_in
from master.deploy.failures import Cause, HostFailure
from master.deploy.fleet import POOL, Fleet, Task
from master.deploy.host import Host
from master.deploy.known_hosts import HostKey, KnownHosts, place, read_known_hosts
from master.deploy.plan import Step
from master.deploy.results import Outcome, Result, failure
from master.deploy.session import Session
from master.deploy.trust import Place

_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512")


class Met(msgspec.Struct, frozen=True):
    """A host that was asked for its key."""

    host: str
    place: str
    key: HostKey | None = None
    known: HostKey | None = None
    problem: HostFailure | None = None

    @property
    def is_new(self) -> bool:
        """Whether its key may be trusted from now on, if the operator says so."""
        return self.problem is None and self.known is None


def meet(hosts: Sequence[Host], known: KnownHosts, *, connect_s: float) -> list[Met]:
    """Ask all `hosts` for their keys; nobody logs in anywhere."""
    with ThreadPoolExecutor(POOL, "meet") as executor:
        met = list(executor.map(lambda host: _meet(host, known, connect_s), hosts))
    owners: dict[bytes, str] = {}
    for one in met:
        if one.key is not None:
            owners.setdefault(one.key.blob, one.host)
    return [_unless_twin(one, owners) for one in met]


def _meet(host: Host, known: KnownHosts, connect_s: float) -> Met:
    name = place(host.address, host.port)
    trusted = known.key(host.address, host.port)
    try:
        key = host_key(host.address, host.port, connect_s)
    except HostFailure as error:
        return Met(host.name, name, known=trusted, problem=error)
    if trusted is not None and trusted != key:
        hint = f"find out why; if it was set up anew: fab revoke {host.name}, then enroll it"
        problem = HostFailure(Cause.HOST_KEY, f"shows another key than the one enrolled: {key.fingerprint}", hint)
        return Met(host.name, name, key, trusted, problem)
    return Met(host.name, name, key, trusted)


def _unless_twin(met: Met, owners: dict[bytes, str]) -> Met:
    other = owners.get(met.key.blob, met.host) if met.key is not None else met.host
    if other == met.host or met.problem is not None:
        return met
    hint = "give it keys of its own: rm /etc/ssh/ssh_host_*; ssh-keygen -A; then restart sshd"
    problem = HostFailure(Cause.HOST_KEY, f"has the host key of {other}: a copied SD card?", hint)
    return Met(met.host, met.place, met.key, met.known, problem)


def host_key(address: str, port: int, connect_s: float) -> HostKey:
    """The key that a host shows, best kind first. Raises HostFailure."""
    try:
        with socket.create_connection((address, port), timeout=connect_s) as link:
            transport = paramiko.Transport(link)
            try:
                transport.banner_timeout = connect_s
                transport.get_security_options().key_types = _KINDS
                transport.start_client(timeout=connect_s)
                shown = transport.get_remote_server_key()
            finally:
                transport.close()
    except (OSError, paramiko.SSHException, EOFError) as error:
        raise HostFailure(Cause.UNREACHABLE, f"{address} port {port}: {error or 'it hung up'}") from None
    return HostKey(shown.get_name(), shown.asbytes())


def trust(met: Sequence[Met], known: KnownHosts) -> KnownHosts:
    """Trust the keys of all that are new, from now on. Raises OSError."""
    added = {one.place: one.key for one in met if one.is_new and one.key is not None}
    changed = known.changed(added)
    if added:
        changed.write()
    return changed


def let_nodes_in(fleet: Fleet, hosts: Sequence[Host], where: Place) -> list[Result]:
    """Ask the enrolled `hosts` for the public keys of their nodes, and let those in that have one."""
    keys: dict[str, str] = {}
    allowlist = allowlist_in(where.allowlist)

    def ask(session: Session, task: Task) -> Result:
        task.told(Step.FACTS)
        key = session.facts().public_key
        problem = allowlist.problem(session.host.name, key) if key else ""
        if problem:
            hint = f"if that is right: fab revoke {session.host.name}, then enroll it"
            raise HostFailure(Cause.HOST_KEY, problem, hint)
        if key:
            keys[session.host.name] = key
        is_new = bool(key) and session.host.name not in allowlist.nodes
        words = (
            "node key let in" if is_new else "node key known" if key else "its node key comes with its first deployment"
        )
        outcome = Outcome.CHANGED if is_new else Outcome.UNCHANGED
        return Result(host=session.host.name, outcome=outcome, differs=words, duration_s=task.duration_s)

    results = fleet.each("asking for node keys", hosts, ask)
    let_in(allowlist, keys, where)
    return results


def refused(met: Met) -> Result:
    """The result of a host whose key is not trusted. `met` has a problem."""
    assert met.problem is not None
    return failure(met.host, met.problem, Step.CONNECT, duration_s=0.0)


def revoke(host: Host, where: Place) -> tuple[bool, bool]:
    """Trust neither the host key nor the node key of `host` any more; whether each was there. Raises OSError, InputError."""
    known = read_known_hosts(where.known_hosts)
    allowlist = allowlist_in(where.allowlist)
    had_host_key = known.key(host.address, host.port) is not None
    had_node_key = host.name in allowlist.nodes
    # The node's first: it is what lets in.
    if had_node_key:
        allowlist.changed({}, (host.name,)).write(where.allowlist)
    if had_host_key:
        known.changed({}, [place(host.address, host.port)]).write()
    return had_host_key, had_node_key
