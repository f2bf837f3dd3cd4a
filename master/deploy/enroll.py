"""First contact: host keys are shown by their fingerprints and trusted on the operator's word; node keys are let in.

Nothing else ever adds a host key, and nobody replaces one: a host that was set up anew is revoked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import paramiko

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.plan import Step
from master.deploy.host.session import HostSession
from master.deploy.rollout.host_pool import POOL, Fleet, Task
from master.deploy.rollout.results import HostResult, Outcome, failure
from master.deploy.ssh.route import Route, Routes
from master.deploy.ssh.transport import Way
from master.inventory.host import Host
from master.trust.changes import enroll_nodes, read_trust, trust_host_keys
from master.trust.known_hosts import HostKey, KnownHosts
from master.trust.revoked import Revoked
from master.trust.state import Place

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


def meet(hosts: Sequence[Host], known: KnownHosts, *, connect_s: float, routes: Routes | None = None) -> list[Met]:
    """Ask all `hosts` for their keys; nobody logs in anywhere, but at jump hosts. Raises InputError."""
    routes = routes or Routes()
    return meet_at([routes.of(host) for host in hosts], known, routes, connect_s=connect_s)


def jumps(hosts: Sequence[Host], routes: Routes) -> list[list[Route]]:
    """The ways to the jump hosts of `hosts`, each once: those that are reached first, then those through these. Raises InputError."""
    found: dict[Route, None] = {}
    for host in hosts:
        route = routes.of(host)
        found |= dict.fromkeys(route[:length] for length in range(1, len(route)))
    longest = max(map(len, found), default=0)
    return [[route for route in found if len(route) == length] for length in range(1, longest + 1)]


def meet_at(ways: Sequence[Route], known: KnownHosts, routes: Routes, *, connect_s: float) -> list[Met]:
    """Ask the machines at the ends of `ways` for their keys."""
    with ThreadPoolExecutor(POOL, "meet") as executor:
        met = list(executor.map(lambda route: _meet(route, known, routes, connect_s), ways))
    owners: dict[bytes, str] = {}
    for one in met:
        if one.key is not None:
            owners.setdefault(one.key.blob, one.host)
    return [_unless_twin(one, owners) for one in met]


def _meet(route: Route, known: KnownHosts, routes: Routes, connect_s: float) -> Met:
    name, where = route[-1].name, route[-1].place
    trusted = known.at(where)
    try:
        key = host_key(route, known, routes, connect_s)
    except HostFailure as error:
        return Met(name, where, known=trusted, problem=error)
    if trusted is not None and trusted != key:
        hint = f"find out why; if it was set up anew: fab revoke {name}, then enroll it"
        problem = HostFailure(Cause.HOST_KEY, f"shows another key than the one enrolled: {key.fingerprint}", hint)
        return Met(name, where, key, trusted, problem)
    return Met(name, where, key, trusted)


def _unless_twin(met: Met, owners: dict[bytes, str]) -> Met:
    other = owners.get(met.key.blob, met.host) if met.key is not None else met.host
    if other == met.host or met.problem is not None:
        return met
    hint = "give it keys of its own: rm /etc/ssh/ssh_host_*; ssh-keygen -A; then restart sshd"
    problem = HostFailure(Cause.HOST_KEY, f"has the host key of {other}: a copied SD card?", hint)
    return Met(met.host, met.place, met.key, met.known, problem)


def host_key(route: Route, known: KnownHosts, routes: Routes, connect_s: float) -> HostKey:
    """The key that the machine at the end of `route` shows, best kind first. Raises HostFailure."""
    way = Way(route, known, routes, connect_s=connect_s)
    try:
        transport = paramiko.Transport(way.reach())
        try:
            transport.banner_timeout = connect_s
            transport.get_security_options().key_types = _KINDS
            transport.start_client(timeout=connect_s)
            shown = transport.get_remote_server_key()
        finally:
            transport.close()
    except (OSError, paramiko.SSHException, EOFError) as error:
        text = f"{route[-1].address} port {route[-1].port}: {error or 'it hung up'}"
        raise HostFailure(Cause.UNREACHABLE, text) from None
    finally:
        way.close()
    return HostKey(shown.get_name(), shown.asbytes())


def trust(met: Sequence[Met], where: Place, since: Revoked) -> list[Met]:
    """Trust the keys of all that are new, from now on; `met`, with the problems of those that were not taken. Raises OSError.

    `since` is what was revoked before anybody was met.
    """
    added = {one.place: (one.host, one.key) for one in met if one.is_new and one.key is not None}
    problems = trust_host_keys(where, added, since) if added else {}
    return [
        msgspec.structs.replace(one, problem=HostFailure(Cause.HOST_KEY, problems[one.host]))
        if one.host in problems and one.problem is None
        else one
        for one in met
    ]


def let_nodes_in(fleet: Fleet, hosts: Sequence[Host], where: Place, since: Revoked) -> list[HostResult]:
    """Ask the enrolled `hosts` for the public keys of their nodes, and let those in that have one."""
    keys: dict[str, str] = {}
    trusted = read_trust(where)

    def ask(session: HostSession, task: Task) -> HostResult:
        task.told(Step.FACTS)
        name = session.host.name
        key = session.facts().public_key
        owner = since.keys.get(key, name)
        problem = trusted.allowlist.problem(name, key) if key else ""
        if owner != name:
            problem = f"its node key is that of {owner}, which was revoked: a copied SD card?"
        if problem:
            raise HostFailure(Cause.HOST_KEY, problem, f"if that is right: fab revoke {name}, then enroll it")
        if key:
            keys[name] = key
        is_new = bool(key) and name not in trusted.allowlist.nodes
        words = (
            "node key let in" if is_new else "node key known" if key else "its node key comes with its first deployment"
        )
        outcome = Outcome.CHANGED if is_new else Outcome.UNCHANGED
        return HostResult(host=name, outcome=outcome, differs=words, duration_s=task.duration_s)

    results = fleet.each("asking for node keys", hosts, ask)
    problems = enroll_nodes(where, [result.host for result in results if result.ok], keys, since)
    return [
        failure(result.host, HostFailure(Cause.HOST_KEY, problems[result.host]), None, duration_s=result.duration_s)
        if result.host in problems
        else result
        for result in results
    ]


def refused(met: Met) -> HostResult:
    """The result of a host whose key is not trusted. `met` has a problem."""
    assert met.problem is not None
    return failure(met.host, met.problem, Step.CONNECT, duration_s=0.0)
