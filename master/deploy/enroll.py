"""First contact: host keys are shown by their fingerprints and trusted on the operator's word; node keys are put on the allowlist.

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
from master.deploy.rollout.host_pool import POOL, HostPool, HostTask
from master.deploy.rollout.results import HostResult, Outcome, failure
from master.deploy.ssh.route import Route, Routes
from master.deploy.ssh.transport import HopConnections
from master.inventory.host import Host
from master.trust.changes import enroll_nodes, read_trust, trust_host_keys
from master.trust.known_hosts import HostKey, KnownHosts
from master.trust.revoked import Revoked
from master.trust.state import StateDirectory

_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512")


class ShownHostKey(msgspec.Struct, frozen=True):
    """The host key that a machine showed, and the one that was trusted for it before; or why there is none to trust."""

    host: str
    known_hosts_name: str
    key: HostKey | None = None
    known: HostKey | None = None
    problem: HostFailure | None = None

    @property
    def is_new(self) -> bool:
        """Whether its key may be trusted from now on, if the operator says so."""
        return self.problem is None and self.known is None


def jump_routes(hosts: Sequence[Host], routes: Routes) -> list[list[Route]]:
    """The routes to the jump hosts of `hosts`, each once and grouped by length: those that are reached first come first.

    Raises InputError.
    """
    found: dict[Route, None] = {}
    for host in hosts:
        route = routes.route_to(host)
        found |= dict.fromkeys(route[:length] for length in range(1, len(route)))
    longest = max(map(len, found), default=0)
    return [[route for route in found if len(route) == length] for length in range(1, longest + 1)]


def fetch_host_keys(
    routes_to: Sequence[Route], known: KnownHosts, routes: Routes, *, connect_s: float
) -> list[ShownHostKey]:
    """The keys that the last machines of `routes_to` show, by connections of up to `connect_s` each; nobody logs in there."""
    with ThreadPoolExecutor(POOL, "meet") as executor:
        shown = list(executor.map(lambda route: _fetch_shown_key(route, known, routes, connect_s), routes_to))
    owners: dict[bytes, str] = {}
    for one in shown:
        if one.key is not None:
            owners.setdefault(one.key.blob, one.host)
    return [_refuse_duplicate(one, owners) for one in shown]


def _fetch_shown_key(route: Route, known: KnownHosts, routes: Routes, connect_s: float) -> ShownHostKey:
    name, where = route[-1].name, route[-1].known_hosts_name
    trusted = known.at(where)
    try:
        key = fetch_host_key(route, known, routes, connect_s)
    except HostFailure as error:
        return ShownHostKey(name, where, known=trusted, problem=error)
    if trusted is not None and trusted != key:
        hint = f"find out why; if it was set up anew: fab revoke {name}, then enroll it"
        problem = HostFailure(Cause.HOST_KEY, f"shows another key than the one enrolled: {key.fingerprint}", hint)
        return ShownHostKey(name, where, key, trusted, problem)
    return ShownHostKey(name, where, key, trusted)


def _refuse_duplicate(shown: ShownHostKey, owners: dict[bytes, str]) -> ShownHostKey:
    other = owners.get(shown.key.blob, shown.host) if shown.key is not None else shown.host
    if other == shown.host or shown.problem is not None:
        return shown
    hint = "give it keys of its own: rm /etc/ssh/ssh_host_*; ssh-keygen -A; then restart sshd"
    problem = HostFailure(Cause.HOST_KEY, f"has the host key of {other}: a copied SD card?", hint)
    return ShownHostKey(shown.host, shown.known_hosts_name, shown.key, shown.known, problem)


def fetch_host_key(route: Route, known: KnownHosts, routes: Routes, connect_s: float) -> HostKey:
    """The key that the machine at the end of `route` shows, best kind first. Raises HostFailure."""
    connections = HopConnections(route, known, routes, connect_s=connect_s)
    try:
        transport = paramiko.Transport(connections.connect_socket())
        try:
            transport.banner_timeout = connect_s
            transport.get_security_options().key_types = _KINDS
            transport.start_client(timeout=connect_s)
            key = transport.get_remote_server_key()
        finally:
            transport.close()
    except (OSError, paramiko.SSHException, EOFError) as error:
        text = f"{route[-1].address} port {route[-1].port}: {error or 'it hung up'}"
        raise HostFailure(Cause.UNREACHABLE, text) from None
    finally:
        connections.close()
    return HostKey(key.get_name(), key.asbytes())


def trust_shown_keys(shown: Sequence[ShownHostKey], state: StateDirectory, since: Revoked) -> list[ShownHostKey]:
    """Write the keys of all that are new to known_hosts; `shown`, with the problems of those that were refused. Raises OSError.

    `since` is what was revoked before the keys were asked for.
    """
    added = {one.known_hosts_name: (one.host, one.key) for one in shown if one.is_new and one.key is not None}
    problems = trust_host_keys(state, added, since) if added else {}
    return [
        msgspec.structs.replace(one, problem=HostFailure(Cause.HOST_KEY, problems[one.host]))
        if one.host in problems and one.problem is None
        else one
        for one in shown
    ]


def enroll_node_keys(pool: HostPool, hosts: Sequence[Host], state: StateDirectory, since: Revoked) -> list[HostResult]:
    """Read the public keys of the nodes of the enrolled `hosts`, and put those that there are on the allowlist."""
    keys: dict[str, str] = {}
    trusted = read_trust(state)

    def read_key(session: HostSession, task: HostTask) -> HostResult:
        task.set_step(Step.FACTS)
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
            "node key allowed"
            if is_new
            else "node key known"
            if key
            else "its node key comes with its first deployment"
        )
        outcome = Outcome.CHANGED if is_new else Outcome.UNCHANGED
        return HostResult(host=name, outcome=outcome, differs=words, duration_s=task.duration_s)

    results = pool.each("reading node keys", hosts, read_key)
    problems = enroll_nodes(state, [result.host for result in results if result.ok], keys, since)
    return [
        failure(result.host, HostFailure(Cause.HOST_KEY, problems[result.host]), None, duration_s=result.duration_s)
        if result.host in problems
        else result
        for result in results
    ]


def refused_result(shown: ShownHostKey) -> HostResult:
    """The result of a host whose key is not trusted. `shown` has a problem."""
    assert shown.problem is not None
    return failure(shown.host, shown.problem, Step.CONNECT, duration_s=0.0)
