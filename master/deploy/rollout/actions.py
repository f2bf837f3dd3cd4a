"""What else is done to many hosts: status, logs, start, stop, restart, rollback, removal. Each is one piece of work for a HostPool."""

from __future__ import annotations

from collections.abc import Callable

from master.deploy.failures import Cause, HostFailure
from master.deploy.host.plan import Step, check, rollback_to
from master.deploy.host.service import Verb
from master.deploy.host.session import HostSession
from master.deploy.host.steps import HealthCheck, PreviousReleases, switch_release, wait_until_healthy
from master.deploy.rollout.host_pool import HostTask, Work
from master.deploy.rollout.results import HostResult, Outcome

_NOTHING = "nothing is there"


def status(session: HostSession, task: HostTask) -> HostResult:
    """How the host is. It fails when it is not prepared, or its agent does not run."""
    task.set_step(Step.FACTS)
    facts = session.facts()
    check(facts)
    words = [f"agent {facts.unit}"]
    if facts.unit.is_active and facts.unit.active_s:
        words[0] += f" for {_span(facts.unit.active_s)}"
    if facts.unit.status_text:
        words.append(facts.unit.status_text)
    if facts.current and facts.started != facts.current:
        words.append("switched, but not restarted")
    if not facts.public_key:
        words.append("no node key")
    if facts.lock is not None:
        words.append(f"lock {facts.lock}")
    if not facts.current:
        raise HostFailure(
            Cause.NOT_PREPARED, f"no release is there; {'; '.join(words)}", "deploy one: fab deploy-workers"
        )
    if not facts.unit.is_active:
        raise HostFailure(Cause.UNHEALTHY, f"release {facts.current}; {'; '.join(words)}")
    return _result(task, facts.current, "; ".join(words), changed=False)


def logs(
    lines: int,
    show: Callable[[str, str], None],
    *,
    follow: bool = False,
    should_continue: Callable[[], bool] = lambda: True,
) -> Work:
    """Gives the last `lines` of each host to `show`, with its name; with `follow` also those to come, one by one, while `should_continue`."""

    def work(session: HostSession, task: HostTask) -> HostResult:
        name = session.host.name
        if follow:
            session.follow(lines, lambda line: show(name, line), should_continue)
        else:
            show(name, session.logs(lines))
        return _result(task, None, "", changed=False)

    return work


def control(verb: Verb, health_check: HealthCheck, *, dry_run: bool = False) -> Work:
    """Starts, stops or restarts the agent, and waits until it is healthy where it is to run."""

    def work(session: HostSession, task: HostTask) -> HostResult:
        task.set_step(Step.FACTS)
        facts = session.facts()
        check(facts)
        if verb != "stop" and not facts.current:
            raise HostFailure(Cause.NOT_PREPARED, "no release is there", "deploy one: fab deploy-workers")
        if facts.unit.is_active is (verb == "start") and verb != "restart":
            return _result(task, facts.current, f"agent {facts.unit}", changed=False)
        if dry_run:
            return _result(task, facts.current, f"agent {facts.unit}: {verb}", changed=False, outcome=Outcome.DIFFERS)
        task.set_step(Step.LOCK)
        with session.locked():
            task.set_step(Step.RESTART)
            session.control(verb, facts.current if verb != "stop" else "")
            if verb != "stop":
                task.set_step(Step.HEALTH_CHECK)
                wait_until_healthy(session, health_check, in_run=facts.unit.is_in_run)
        return _result(task, facts.current, f"agent {verb}ed" if verb != "stop" else "agent stopped", changed=True)

    return work


def rollback(health_check: HealthCheck, *, dry_run: bool = False) -> Work:
    """Switches to the previous release, restarts the agent, and waits until it is healthy; a second time switches forth again."""

    def work(session: HostSession, task: HostTask) -> HostResult:
        if dry_run:
            task.set_step(Step.FACTS)
            facts = session.facts()
            words = f"back to {rollback_to(facts)}"
            return _result(task, facts.current, words, changed=False, outcome=Outcome.DIFFERS)
        task.set_step(Step.LOCK)
        with session.locked():
            task.set_step(Step.FACTS)
            facts = session.facts()
            name = rollback_to(facts)
            previous = PreviousReleases(facts.current, facts.previous)
            steps = (Step.SWITCH, Step.RESTART, Step.HEALTH_CHECK)
            in_run = facts.unit.is_in_run
            switch_release(
                session, name, previous, steps, in_run=in_run, health_check=health_check, on_step=task.set_step
            )
        return _result(task, facts.current, "rolled back", changed=True, after=name)

    return work


def remove(*, dry_run: bool = False) -> Work:
    """Stops the agent, and removes all that was put there: by deployments, and by provisioning where who deploys may become root."""

    def work(session: HostSession, task: HostTask) -> HostResult:
        task.set_step(Step.FACTS)
        facts = session.facts()
        deployed = bool(facts.releases or facts.incomplete or facts.current or facts.public_key or facts.settings)
        if dry_run:
            words = f"would go: {_number(len(facts.releases), 'release')}, {'a node key' if facts.public_key else 'no node key'}"
            differs = deployed or facts.root != "missing" or facts.unit.is_loaded
            outcome = Outcome.DIFFERS if differs else Outcome.UNCHANGED
            return _result(task, facts.current, words if differs else _NOTHING, changed=False, outcome=outcome)
        if facts.lock is not None:
            raise HostFailure(Cause.LOCKED, str(facts.lock))
        if facts.root == "writable":
            task.set_step(Step.LOCK)
            with session.locked():
                if facts.unit.is_loaded and facts.unit.state != "inactive":
                    task.set_step(Step.RESTART)
                    session.control("stop")
                task.set_step(Step.PRUNE)
                session.script("remove", timeout_s=120.0)
        task.set_step(Step.PRUNE)
        left = session.unprovision()
        after = session.facts()
        changed = deployed or (facts.root, facts.unit.is_loaded) != (after.root, after.unit.is_loaded)
        words = "removed" if changed else _NOTHING
        if left:
            words = f"{words}; left, since only root may take it away: {left} (as a user who may become root: fab remove-workers)"
        return _result(task, facts.current, words, changed=changed, after="")

    return work


def _result(
    task: HostTask,
    release: str | None,
    words: str,
    *,
    changed: bool,
    after: str | None = None,
    outcome: Outcome | None = None,
) -> HostResult:
    return HostResult(
        host=task.host.name,
        outcome=outcome or (Outcome.CHANGED if changed else Outcome.UNCHANGED),
        before=release,
        after=release if after is None else after,
        differs=words,
        duration_s=task.duration_s,
    )


def _number(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _span(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.0f} h"
