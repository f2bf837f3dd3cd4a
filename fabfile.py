"""The operator's commands for a fleet of real nodes: `fab --list`, and `fab --help TASK` for one of them.

Each ends with 0, with 1 when any host failed, or with 2 when the input was wrong.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task, task

from master.deploy.command import Command, Options, exit_on_error
from master.deploy.environment import read_defaults
from master.deploy.fab import make_strict
from master.deploy.host.service import Verb
from master.deploy.host.steps import HealthCheck
from master.deploy.provision import provision as run_playbook
from master.deploy.rollout import actions
from master.deploy.rollout.batches import parse_budget
from master.deploy.rollout.deployment import DeploymentOptions
from master.deploy.rollout.host_pool import PoolLimits
from master.errors import InputError
from worker import streams

PLAYBOOK = Path("ansible/provision.yml")
ANSIBLE_SETTINGS = Path("ansible/ansible.cfg")
DEFAULTS: dict[str, str | int] = {
    "inventory": "ansible/inventory/lab.yml",
    "state": ".piswarm",
    "pool": 32,
    "connect": 10,
}
"""Of what the environment can say for all tasks."""
BOUNDS = {
    "pool": (1, 1000),
    "connect": (1, 3600),
    "deadline": (1, 7 * 86400),
    "canaries": (0, 100_000),
    "batch": (1, 100_000),
    "keep": (2, 1000),
    "settle": (0, 3600),
    "lines": (1, 1_000_000),
}
"""The least and the most of each option that is a number."""
with exit_on_error():
    DEFAULTS = read_defaults(DEFAULTS, BOUNDS, os.environ)
COMMON = {
    "inventory": (DEFAULTS["inventory"], "the inventory; PISWARM_INVENTORY names another one for all tasks"),
    "limit": (None, "only these hosts, as for Ansible: pi001, rack_a, 'workers:!rack_b'"),
    "state": (
        DEFAULTS["state"],
        "directory of the controller's keys, known_hosts, allowlist.json and the cache of releases",
    ),
    "json": (False, "print the result as JSON"),
    "pool": (DEFAULTS["pool"], "hosts worked on at once"),
    "connect": (DEFAULTS["connect"], "seconds to wait for a connection"),
}
HELP = {
    "dry_run": "show what would be done, and change nothing",
    "settle": "seconds that an agent must stay up to count as healthy",
    "yes": "do not ask",
}


def check_numbers(given: Mapping[str, Any]) -> None:
    """Raise InputError for an option whose number is out of BOUNDS."""
    for name, (least, most) in BOUNDS.items():
        if name in given and not least <= given[name] <= most:
            raise InputError(f"--{name}: {str(given[name])[:40]} is not between {least} and {most}")


make_strict()


def fleet_task(deadline: int, **words: str) -> Callable[[Callable[..., int]], Task]:
    """A task on the hosts of an inventory: the options that all take, then those of the function's own, after its Command."""

    def decorate(body: Callable[..., int]) -> Task:
        own = list(inspect.signature(body).parameters.values())[1:]
        defaults = {name: default for name, (default, _) in COMMON.items()} | {"deadline": deadline}

        def run(_: Context, **given: Any) -> None:
            if body.__name__ != "logs":  # which, followed, is to end with its reader
                streams.guard_streams()
            with exit_on_error():
                check_numbers(given)
                common = {name: given.pop(name) for name in defaults}
                limits = PoolLimits(common["connect"], common["deadline"], common["pool"])
                where = Path(common["inventory"]), common["limit"], Path(common["state"])
                sys.exit(body(Command(Options(*where, json=common["json"], limits=limits)), **given))

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        own = [parameter.replace(kind=kind) for parameter in own]
        parameters = [inspect.Parameter(name, kind, default=value) for name, value in defaults.items()]
        run.__signature__ = inspect.Signature([inspect.Parameter("context", kind), *own, *parameters])  # type: ignore[attr-defined]
        run.__name__, run.__doc__ = body.__name__, body.__doc__
        texts = {name: text for name, (_, text) in COMMON.items()} | {"deadline": "seconds that one host may take"}
        texts |= {parameter.name: words.get(parameter.name) or HELP[parameter.name] for parameter in own}
        return task(help=texts, auto_shortflags=False)(run)

    return decorate


@fleet_task(
    600,
    canaries="hosts that go first; one of them that fails stops all",
    batch="hosts of a batch; the next one begins when it is done",
    budget="how many hosts may fail before no further one is begun: 3, or 10%",
    keep="releases kept on a host, 2 at least",
    scenario="a scenario that is to run: drivers of databases and OpenTelemetry go along where it needs them",
    requirements="a file with more packages for the users of a Locust project, pinned and with hashes",
)
def deploy_workers(
    command: Command,
    *,
    dry_run: bool = False,
    canaries: int = 1,
    batch: int = 32,
    budget: str = "10%",
    keep: int = 3,
    settle: int = 3,
    scenario: str | None = None,
    requirements: str | None = None,
) -> int:
    """Bring this release to the workers; only what differs is done."""
    health_check = HealthCheck(settle_s=settle)
    options = DeploymentOptions(canaries, batch, parse_budget(budget), keep, health_check, dry_run)
    return command.deploy(
        options,
        scenario=None if scenario is None else Path(scenario),
        requirements=None if requirements is None else Path(requirements),
    )


@fleet_task(600)
def rollback_workers(command: Command, dry_run: bool = False, settle: int = 3) -> int:
    """Switch the workers back to the release that they ran before."""
    return command.each("rollback", actions.rollback(HealthCheck(settle_s=settle), dry_run=dry_run))


@fleet_task(60)
def status(command: Command) -> int:
    """Show release, agent and lock of each worker."""
    return command.each("status", actions.status)


def _control(command: Command, verb: Verb, settle: int, *, dry_run: bool) -> int:
    return command.each(verb, actions.control(verb, HealthCheck(settle_s=settle), dry_run=dry_run))


@fleet_task(120)
def start_workers(command: Command, dry_run: bool = False, settle: int = 3) -> int:
    """Start the agents that do not run."""
    return _control(command, "start", settle, dry_run=dry_run)


@fleet_task(120)
def stop_workers(command: Command, dry_run: bool = False) -> int:
    """Stop the agents, until they are started or their host is."""
    return _control(command, "stop", 0, dry_run=dry_run)


@fleet_task(120)
def restart_workers(command: Command, dry_run: bool = False, settle: int = 3) -> int:
    """Restart the agents, and wait until they are healthy."""
    return _control(command, "restart", settle, dry_run=dry_run)


@fleet_task(60, lines="lines of each host", follow="go on with what they say from now on, until Ctrl-C")
def logs(command: Command, lines: int = 20, follow: bool = False) -> int:
    """Show what the agents said last, each line with its host."""
    return command.logs(lines, follow=follow)


@fleet_task(60, yes="trust the keys that are shown, without asking")
def enroll(command: Command, yes: bool = False) -> int:
    """Show the host keys of new workers, trust them, and allow their nodes."""
    return command.enroll(yes=yes)


@fleet_task(60, node="the worker's name in the inventory")
def revoke(command: Command, node: str) -> int:
    """Trust a worker no more: neither its host key nor its node key."""
    return command.revoke(node)


@fleet_task(300)
def remove_workers(command: Command, dry_run: bool = False, yes: bool = False) -> int:
    """Stop the agents, and remove all that was put on the workers."""
    if not dry_run and not yes:
        command.confirm(f"Remove everything from {len(command.hosts)} hosts?")
    return command.remove(dry_run=dry_run)


@fleet_task(3600, check="show what would be changed, and change nothing")
def provision(command: Command, check: bool = False) -> int:
    """Prepare the hosts by the Ansible playbook: users, directories, unit, tuning."""
    command.routes.resolve(command.hosts)  # what the other commands can't reach, this one does not either
    words = [] if command.options.limit is None else ["--limit", command.options.limit]
    words += ["--check", "--diff"] if check else []
    known = command.state.known_hosts
    return 0 if run_playbook(PLAYBOOK, ANSIBLE_SETTINGS, command.options.inventory, known, words) else 1


namespace = Collection(
    deploy_workers,
    rollback_workers,
    status,
    start_workers,
    stop_workers,
    restart_workers,
    logs,
    enroll,
    revoke,
    remove_workers,
    provision,
)
