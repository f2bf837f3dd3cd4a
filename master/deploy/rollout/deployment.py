"""Brings one release to many hosts: read the facts of all, then change those that differ, canaries first, then batch by batch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.facts import HostFacts
from master.deploy.host.plan import KEPT, HostPlan, Step, plan, platform_of
from master.deploy.host.session import HostSession
from master.deploy.host.steps import HealthCheck, execute_plan
from master.deploy.rollout.batches import Budget, Rollout
from master.deploy.rollout.host_pool import HostPool, HostTask
from master.deploy.rollout.results import HostResult, Outcome, RolloutReport, failure
from master.inventory.host import Host
from master.inventory.node_settings import check_controllers, make_settings
from master.release.builder import Release
from master.release.platforms import Platform
from master.trust.changes import allow_nodes, read_trust
from master.trust.state import StateDirectory, controller_keys

Builder = Callable[[Platform, Sequence[str]], Release]
"""Makes the release for a platform, with deltas to it from the releases that are named, as far as that is worth it."""


@dataclass(frozen=True)
class DeploymentOptions:
    """How careful a roll-out is."""

    canaries: int = 1
    batch: int = 32
    budget: Budget = field(default_factory=lambda: Budget(10, is_share=True))
    kept: int = KEPT
    health_check: HealthCheck = field(default_factory=HealthCheck)
    dry_run: bool = False


class Deployment:
    """One deployment, from reading the facts of the hosts to the outcome of each."""

    def __init__(
        self,
        pool: HostPool,
        hosts: Sequence[Host],
        builder: Builder,
        *,
        state: StateDirectory,
        options: DeploymentOptions,
    ) -> None:
        """Raises InputError, before anything is done, for hosts that do not know their controller and for files that are not ours."""
        check_controllers(hosts)
        self._pool = pool
        self._hosts = list(hosts)
        self._builder = builder
        self._state = state
        self._options = options
        read_trust(state)  # so that files that are not ours are reported before anything is done
        # A dry run makes no keys; the settings then differ from whatever the hosts have.
        public_key = (
            "" if options.dry_run and not state.controller.exists() else controller_keys(state.directory).public
        )
        self._settings = {host.name: make_settings(host, public_key) for host in hosts}
        self._facts: dict[str, HostFacts] = {}
        self._keys: dict[str, str] = {}
        self._releases: dict[Platform, Release] = {}

    def run(self) -> RolloutReport:
        """Do it. Raises PiswarmError for what concerns no single host; nothing was changed then."""
        try:
            return self._run()
        finally:
            self._pool.close()

    def _run(self) -> RolloutReport:
        began_s = time.monotonic()
        results = {
            result.host: result for result in self._pool.each("reading facts", self._hosts, self._read_facts, keep=True)
        }
        self._build()
        differing = []
        for host in self._hosts:
            if host.name in self._facts and results[host.name].ok:
                results[host.name] = judged = self._compare(results[host.name], self._facts[host.name])
                if judged.outcome is Outcome.DIFFERS:
                    differing.append(host)
        self._pool.close(but=[host.name for host in differing])
        stopped = ""
        if not self._options.dry_run:
            self._enroll(results)
            stopped = self._roll_out(differing, results)
        ordered = [results[host.name] for host in self._hosts]
        return RolloutReport(action="deploy", duration_s=time.monotonic() - began_s, stopped=stopped, hosts=ordered)

    def _read_facts(self, session: HostSession, task: HostTask) -> HostResult:
        task.set_step(Step.FACTS)
        facts = session.facts()
        platform_of(facts)
        self._facts[session.host.name] = facts
        return HostResult(
            host=session.host.name, outcome=Outcome.UNCHANGED, before=facts.current, duration_s=task.duration_s
        )

    def _build(self) -> None:
        for platform in sorted({platform_of(facts) for facts in self._facts.values()}):
            release = self._builder(platform, ())
            found = [facts.releases for facts in self._facts.values() if platform_of(facts) == platform]
            bases = Counter(name for releases in found if release.name not in releases for name in releases)
            if bases and not self._options.dry_run:
                release = self._builder(platform, [name for name, _ in bases.most_common()])
            self._releases[platform] = release

    def _compare(self, seen: HostResult, facts: HostFacts) -> HostResult:
        """What is to be done to a host whose facts were read."""
        try:
            wanted, release = self._plan(seen.host, facts)
        except HostFailure as error:
            return failure(seen.host, error, Step.FACTS, duration_s=seen.duration_s)
        outcome = Outcome.DIFFERS if wanted.steps else Outcome.UNCHANGED
        return HostResult(
            host=seen.host,
            outcome=outcome,
            before=facts.current,
            after=release.name,
            differs=wanted.reasons,
            duration_s=seen.duration_s,
        )

    def _plan(self, name: str, facts: HostFacts) -> tuple[HostPlan, Release]:
        release = self._releases[platform_of(facts)]
        self._check_key(name, facts.public_key)
        return plan(facts, release, self._settings[name].digest, kept=self._options.kept), release

    def _check_key(self, name: str, public_key: str) -> None:
        """By what is trusted now: it may have been revoked since the deployment began. Raises HostFailure."""
        problem = read_trust(self._state).problem(name, public_key)
        if problem:
            raise HostFailure(Cause.HOST_KEY, problem, _hint(name))

    def _roll_out(self, hosts: Sequence[Host], results: dict[str, HostResult]) -> str:
        rollout = Rollout(
            [host.name for host in hosts],
            canaries=self._options.canaries,
            batch=self._options.batch,
            allowed=self._options.budget.allowed(len(self._hosts)),
            failed=sum(not result.ok for result in results.values()),
        )

        def note(result: HostResult) -> None:
            results[result.host] = result
            if result.cause is not Cause.SKIPPED:
                rollout.note(result.host, ok=result.ok)

        by_name = {host.name: host for host in hosts}
        done = 0
        while batch := rollout.next_batch():
            title = f"hosts {done + 1} to {done + len(batch)} of {len(hosts)}"
            chosen = [by_name[name] for name in batch]
            self._pool.each(title, chosen, self._change, skip_reason=lambda: rollout.stopped, done=note)
            done += len(batch)
            self._enroll(results)
        reason = "interrupted" if self._pool.stopped else rollout.stopped
        for name in by_name:
            if results[name].outcome is Outcome.DIFFERS:
                results[name] = failure(name, HostFailure(Cause.SKIPPED, reason), None, duration_s=0.0)
        return reason if any(result.outcome is Outcome.SKIPPED for result in results.values()) else ""

    def _change(self, session: HostSession, task: HostTask) -> HostResult:
        """Change one host. Its facts are read again, with its lock held: it may have been changed since."""
        name = session.host.name
        task.set_step(Step.LOCK)
        with session.locked():
            task.set_step(Step.FACTS)
            facts = session.facts()
            wanted, release = self._plan(name, facts)
            made = execute_plan(
                session,
                wanted,
                facts,
                release,
                self._settings[name],
                health_check=self._options.health_check,
                on_step=task.set_step,
                should_continue=lambda: not self._pool.stopped,
                check_key=lambda key: self._check_key(name, key),
            )
        if made or facts.public_key:
            self._keys[name] = made or facts.public_key
        return HostResult(
            host=name,
            outcome=Outcome.CHANGED if wanted.steps else Outcome.UNCHANGED,
            before=facts.current,
            after=release.name,
            differs=wanted.reasons,
            bytes_sent=task.sent,
            duration_s=task.duration_s,
        )

    def _enroll(self, results: dict[str, HostResult]) -> None:
        """Allow the nodes whose keys are known by now. One that was revoked since its facts were read has failed."""
        for name, facts in self._facts.items():
            if facts.public_key:
                self._keys.setdefault(name, facts.public_key)
        if not self._keys:
            return
        for name, problem in allow_nodes(self._state, self._keys).items():
            if results[name].ok:
                error = HostFailure(Cause.HOST_KEY, problem, _hint(name))
                results[name] = failure(name, error, None, duration_s=results[name].duration_s)


def _hint(name: str) -> str:
    return f"make sure that it is the right machine, then: fab revoke {name}, and fab enroll --limit {name}"
