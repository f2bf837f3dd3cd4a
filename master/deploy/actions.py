"""What else is done to many hosts: status, logs, start, stop, restart, rollback, removal. Each is one piece of work for a Fleet."""

from __future__ import annotations

from collections.abc import Callable

from master.deploy.failures import Cause, HostFailure
from master.deploy.fleet import Task, Work
from master.deploy.plan import Step, check, rollback_to
from master.deploy.results import Outcome, Result
from master.deploy.service import Verb
from master.deploy.session import Session
from master.deploy.steps import Former, Wellness, change, wait_until_well


def status(session: Session, task: Task) -> Result:
    """How the host is. It fails when it is not prepared, or its agent does not run."""
    task.told(Step.FACTS)
    facts = session.facts()
    check(facts)
    words = [f"agent {facts.unit}"]
    if facts.unit.is_active and facts.unit.since_s:
        words[0] += f" for {_span(facts.unit.since_s)}"
    if facts.current and facts.started != facts.current:
        words.append("switched, but not restarted")
    if not facts.public_key:
        words.append("no node key")
    if facts.lock is not None:
        words.append(f"lock {facts.lock}")
    if not facts.current:
        raise HostFailure(Cause.UNFIT, f"no release is there; {'; '.join(words)}", "deploy one: fab deploy-workers")
    if not facts.unit.is_active:
        raise HostFailure(Cause.UNWELL, f"release {facts.current}; {'; '.join(words)}")
    return _result(task, facts.current, "; ".join(words), changed=False)


def logs(lines: int, show: Callable[[str, str], None]) -> Work:
    """Gives the last `lines` of each host to `show`, with its name."""

    def work(session: Session, task: Task) -> Result:
        show(session.host.name, session.logs(lines))
        return _result(task, None, "", changed=False)

    return work


def act(verb: Verb, wellness: Wellness, *, dry_run: bool = False) -> Work:
    """Starts, stops or restarts the agent, and waits until it is well where it is to run."""

    def work(session: Session, task: Task) -> Result:
        task.told(Step.FACTS)
        facts = session.facts()
        check(facts)
        if verb != "stop" and not facts.current:
            raise HostFailure(Cause.UNFIT, "no release is there", "deploy one: fab deploy-workers")
        if facts.unit.is_active is (verb == "start") and verb != "restart":
            return _result(task, facts.current, f"agent {facts.unit}", changed=False)
        if dry_run:
            return _result(task, facts.current, f"agent {facts.unit}: {verb}", changed=False, outcome=Outcome.DIFFERS)
        task.told(Step.LOCK)
        with session.locked():
            task.told(Step.RESTART)
            session.act(verb, facts.current if verb != "stop" else "")
            if verb != "stop":
                task.told(Step.WELL)
                wait_until_well(session, wellness)
        return _result(task, facts.current, f"agent {verb}ed" if verb != "stop" else "agent stopped", changed=True)

    return work


def rollback(wellness: Wellness, *, dry_run: bool = False) -> Work:
    """Switches to the former release, restarts the agent, and waits until it is well; a second time switches forth again."""

    def work(session: Session, task: Task) -> Result:
        if dry_run:
            task.told(Step.FACTS)
            facts = session.facts()
            words = f"back to {rollback_to(facts)}"
            return _result(task, facts.current, words, changed=False, outcome=Outcome.DIFFERS)
        task.told(Step.LOCK)
        with session.locked():
            task.told(Step.FACTS)
            facts = session.facts()
            name = rollback_to(facts)
            former = Former(facts.current, facts.previous)
            steps = (Step.SWITCH, Step.RESTART, Step.WELL)
            change(session, name, former, steps, wellness=wellness, told=task.told)
        return _result(task, facts.current, "rolled back", changed=True, after=name)

    return work


def remove(*, dry_run: bool = False) -> Work:
    """Stops the agent, and removes releases, keys and links; what the playbook made is the playbook's to remove."""

    def work(session: Session, task: Task) -> Result:
        task.told(Step.FACTS)
        facts = session.facts()
        if facts.root == "missing":
            return _result(task, "", "nothing is there", changed=False)
        if dry_run:
            words = f"would go: {len(facts.releases)} releases, {'a node key' if facts.public_key else 'no node key'}"
            return _result(task, facts.current, words, changed=False, outcome=Outcome.DIFFERS)
        task.told(Step.LOCK)
        with session.locked():
            if facts.unit.is_there:
                task.told(Step.RESTART)
                session.act("stop")
            task.told(Step.PRUNE)
            session.script("remove", most_s=120.0)
        return _result(task, facts.current, "removed", changed=True, after="")

    return work


def _result(
    task: Task,
    release: str | None,
    words: str,
    *,
    changed: bool,
    after: str | None = None,
    outcome: Outcome | None = None,
) -> Result:
    return Result(
        host=task.host.name,
        outcome=outcome or (Outcome.CHANGED if changed else Outcome.UNCHANGED),
        before=release,
        after=release if after is None else after,
        differs=words,
        duration_s=task.duration_s,
    )


def _span(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.0f} h"
