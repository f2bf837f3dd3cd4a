"""What `fab` does, from its options to its exit status: 0, or 1 when any host failed, or 2 when the input was wrong."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console
from rich.prompt import Confirm
from rich.table import Table

from master.deploy.drivers import lock_file_for
from master.deploy.enroll import (
    ShownHostKey,
    enroll_node_keys,
    fetch_host_keys,
    jump_routes,
    refused_result,
    trust_shown_keys,
)
from master.deploy.fab import FAILED, report_fault
from master.deploy.host.service import layout_of
from master.deploy.rollout import actions
from master.deploy.rollout.deployment import Builder, Deployment, DeploymentOptions
from master.deploy.rollout.host_pool import HostPool, PoolLimits, ProgressListener, Work
from master.deploy.rollout.results import HostResult, Outcome, RolloutReport
from master.deploy.ssh.route import Route, Routes
from master.deploy.view import ProgressView, plain, show_report
from master.errors import InputError, PiswarmError
from master.inventory.host import DEFAULT_PORT, Host
from master.inventory.inventory import GROUP, read_inventory
from master.release.builder import Release, build
from master.release.lockfile import read_requirements
from master.release.platforms import Platform
from master.trust.changes import Trust, forget_keys, read_trust, revoke
from master.trust.known_hosts import known_hosts_name, read_known_hosts
from master.trust.state import StateDirectory

ROOT = Path(__file__).resolve().parents[2]
_WIDE = 1000
"""Columns of what is no terminal: no line is cut."""


@dataclass(frozen=True)
class Options:
    """What all tasks take."""

    inventory: Path
    limit: str | None = None
    """A pattern of hosts; None for all of the group."""
    state: Path = Path(".piswarm")
    """The directory of what the controller knows of its fleet."""
    json: bool = False
    limits: PoolLimits = field(default_factory=PoolLimits)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Show errors as messages, and end with their exit status: 2 for wrong input, 1 for all else, faults of our own among it."""
    try:
        yield
    except PiswarmError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"  do: {error.hint}\n" if error.hint else ""))
        sys.exit(2 if isinstance(error, InputError) else 1)
    except OSError as error:
        where = f"{str(error.filename)[:_WIDE]}: " if error.filename is not None else ""
        sys.stderr.write(f"error: {where}{error.strerror or error}\n  do: check the path, its owner and its disk\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is reported
        sys.exit(report_fault(error))


def _print_line(host: str, line: str) -> None:
    """One line of a host's, at once: several threads say theirs."""
    sys.stdout.write(f"{host}: {plain(line)}\n")
    sys.stdout.flush()


class Command:
    """One task: the hosts that are meant, and the ways to reach and show them. Raises InputError where the input is wrong."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.hosts: tuple[Host, ...] = read_inventory(options.inventory).hosts(GROUP, limit=options.limit)
        for host in self.hosts:  # so that what is wrong is said before anything is done
            layout_of(host)
        self.state = StateDirectory(options.state)
        self.routes = Routes()
        console = Console(stderr=options.json)
        self.console = console if console.is_terminal else Console(stderr=options.json, width=_WIDE)
        self.screen = ProgressView(self.console)

    def host_pool(self) -> HostPool:
        """Connections that trust what is enrolled by now."""
        self.routes.resolve(self.hosts)
        return HostPool(read_known_hosts(self.state.known_hosts), self.options.limits, self.screen, self.routes)

    def each(self, action: str, work: Work) -> int:
        """Do `work` on all hosts, and show what came of it; the exit status."""
        pool = self.host_pool()
        with self.screen.shown():
            began_s = time.monotonic()
            results = pool.each(action, self.hosts, work)
        return self.finish(RolloutReport(action=action, duration_s=time.monotonic() - began_s, hosts=results))

    def finish(self, report: RolloutReport) -> int:
        """Show `report`; the exit status."""
        if self.options.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
        else:
            show_report(report, self.console)
        return 0 if report.ok else 1

    def deploy(
        self,
        options: DeploymentOptions,
        builder: Builder | None = None,
        *,
        scenario: Path | None = None,
        requirements: Path | None = None,
    ) -> int:
        """Bring the release to the hosts; the exit status.

        `builder` makes releases, of this copy of piswarm unless given; these have the drivers that the users of `scenario` need,
        and the packages that the file `requirements` pins.
        """
        lock_file = ROOT / lock_file_for(scenario)

        if requirements is not None:
            read_requirements(requirements)  # what is wrong with it is told before any host is asked

        def made(platform: Platform, bases: Sequence[str]) -> Release:
            return build(
                platform,
                lock_file,
                self.state.cache,
                requirements=requirements,
                bases=bases,
                progress=self.screen.show_step,
            )

        deployment = Deployment(self.host_pool(), self.hosts, builder or made, state=self.state, options=options)
        with self.screen.shown():
            report = deployment.run()
        return self.finish(report)

    def remove(self, *, dry_run: bool) -> int:
        """Remove all that was deployed, and let those nodes in no more, for their keys are gone; the exit status."""
        pool = self.host_pool()
        began_s = time.monotonic()
        with self.screen.shown():
            results = pool.each("remove", self.hosts, actions.remove(dry_run=dry_run))
        gone = tuple(result.host for result in results if result.outcome is Outcome.CHANGED)
        if gone:
            forget_keys(self.state, gone)
        return self.finish(RolloutReport(action="remove", duration_s=time.monotonic() - began_s, hosts=results))

    def logs(self, lines: int, *, follow: bool) -> int:
        """Show what the agents said last, host by host, or with `follow` as it comes, until Ctrl-C; the exit status."""
        found: dict[str, str] = {}
        limits = self.options.limits
        if follow:  # of all of them at once, for as long as it takes
            limits = dataclasses.replace(limits, pool=len(self.hosts), host_s=math.inf)
        self.routes.resolve(self.hosts)
        pool = HostPool(read_known_hosts(self.state.known_hosts), limits, ProgressListener(), self.routes)
        show = _print_line if follow else found.__setitem__
        work = actions.logs(lines, show, follow=follow, should_continue=lambda: not pool.stopped)
        results = pool.each("logs", self.hosts, work)
        for host in self.hosts:
            for line in found.get(host.name, "").splitlines():
                _print_line(host.name, line)
        for result in results:
            if not result.ok:
                sys.stderr.write(f"{result.host}: {result.cause}: {plain(result.message)}\n  do: {result.hint}\n")
        return 0 if all(result.ok for result in results) else 1

    def enroll(self, *, yes: bool) -> int:
        """Show the keys of hosts that are not known yet, ask, trust them, and let their nodes in; the exit status."""
        began_s = time.monotonic()
        before = read_trust(self.state)
        self.routes.resolve(self.hosts)
        for ways in jump_routes(self.hosts, self.routes):
            self._trust(ways, before, yes=yes)
        met = self._trust([self.routes.route_to(host) for host in self.hosts], before, yes=yes)
        turned_down = {one.host: refused_result(one) for one in met if one.problem is not None}
        rest = [host for host in self.hosts if host.name not in turned_down]
        results = {
            result.host: result for result in enroll_node_keys(self.host_pool(), rest, self.state, before.revoked)
        }
        ordered: Sequence[HostResult] = [turned_down.get(host.name) or results[host.name] for host in self.hosts]
        return self.finish(RolloutReport(action="enroll", duration_s=time.monotonic() - began_s, hosts=list(ordered)))

    def _trust(self, ways: Sequence[Route], before: Trust, *, yes: bool) -> list[ShownHostKey]:
        """Show the new keys of the machines at the ends of `ways`, ask, and trust them."""
        known = read_known_hosts(self.state.known_hosts)
        met = fetch_host_keys(ways, known, self.routes, connect_s=self.options.limits.connect_s)
        new = [one for one in met if one.is_new]
        if not new:
            return met
        self._show_keys(new)
        if not yes:
            self.confirm(f"Trust {'this key' if len(new) == 1 else f'these {len(new)} keys'}?")
        return trust_shown_keys(met, self.state, before.revoked)

    def confirm(self, question: str) -> None:
        """Ask the operator. Raises InputError unless the answer is yes."""
        if not sys.stdin.isatty():
            raise InputError(f"no terminal to ask on: {question}", hint="check what it is about, then pass --yes")
        if not Confirm.ask(question, console=self.console):
            raise InputError("not agreed to; nothing was changed")

    def _show_keys(self, new: Sequence[ShownHostKey]) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for heading in (
            "host",
            "address",
            "kind",
            "fingerprint (on the host: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)",
        ):
            table.add_column(heading, no_wrap=True)
        for one in new:
            if one.key is not None:
                table.add_row(one.host, one.known_hosts_name, one.key.kind, one.key.fingerprint)
        self.console.print(table)

    def revoke(self, node: str) -> int:
        """Trust `node`, or the jump host of that name, no more; the exit status."""
        places = self._places(node)
        if not places:
            text = f"{node} is no host of the group {GROUP}, and no jump host of one"
            raise InputError(text, file=self.options.inventory)
        had_host_key, had_node_key = revoke(self.state, node, places)
        words = [name for name, had in (("host key", had_host_key), ("node key", had_node_key)) if had]
        self.console.print(f"{node}: {' and '.join(words) + ' removed' if words else 'was not enrolled'}")
        return 0

    def _places(self, node: str) -> list[str]:
        """Under which names known_hosts may have the key of `node`, a host or a jump host."""
        found: dict[str, None] = {}
        for host in self.hosts:
            if host.name == node:  # whatever the way to it is, or was
                found[known_hosts_name(host.address, host.port or DEFAULT_PORT)] = None
            try:
                route = self.routes.route_to(host)
            except InputError:
                continue
            found |= {hop.known_hosts_name: None for hop in route if hop.name == node}
        return list(found)
