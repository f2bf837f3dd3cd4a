"""Hosts and weights of user classes that differ from those of the scenario. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from master.project.checks.finding import Finding, refused, warned
from worker.wire.work import UserShare


def check_hosts(file: Path, hosts: Mapping[str, str], target: str) -> list[Finding]:
    """Hosts of the classes that run, which are not the target."""
    shown = ", ".join(f"{name} {host}" for name, host in hosts.items())
    if any(host.rstrip("/") != target.rstrip("/") for host in hosts.values()):
        return [warned(f"the classes' host is not used ({shown})", f"All load goes to {target}.", file)]
    return []


def check_tags(
    file: Path,
    tags_of: Mapping[str, Collection[Collection[str]]],
    tags: Collection[str] | None,
    exclude_tags: Collection[str] | None,
) -> list[Finding]:
    """Tags that choose no task of the classes that run, and classes that are left without a task; `tags_of` has those of each task."""
    all_tags = {tag for tasks in tags_of.values() for task in tasks for tag in task}
    found = [
        warned(f"{key}: {tag!r} is on no task", f"There are: {', '.join(sorted(all_tags)) or 'none'}.", file)
        for key, given in (("tags", tags), ("exclude_tags", exclude_tags))
        for tag in given or ()
        if tag not in all_tags
    ]
    for name, tasks in tags_of.items():
        wanted = [task for task in tasks if not tags or {*task} & {*tags}]
        if tags and not wanted:
            what = f"{name} has no task with one of the tags {', '.join(tags)}"
        elif wanted and all({*task} & {*(exclude_tags or ())} for task in wanted):
            what = f"{name} has no task without one of the excluded tags {', '.join(exclude_tags or ())}"
        else:
            continue
        own = ", ".join(sorted({tag for task in tasks for tag in task})) or "none"
        remedy = f"Its tags: {own}. Name the other classes alone: in `users`, or with -f at the end of the command."
        found.append(refused(what, remedy, file))
    return found


def check_weights(file: Path, own: Mapping[str, UserShare], given: Mapping[str, UserShare]) -> list[Finding]:
    """Weights and fixed counts of the classes themselves, `own`, which are not those of the scenario."""
    if all(share == UserShare(weight=1) for share in own.values()) or _ratios(own) == _ratios(given):
        return []
    shown = ", ".join(
        f"{name} {f'= {share.fixed_count}' if share.fixed_count else f'{share.weight:g}'}"
        for name, share in own.items()
    )
    remedy = "The scenario's `users` say how many users are of each."
    return [warned(f"weights and fixed counts of the classes are not used ({shown})", remedy, file)]


def _ratios(shares: Mapping[str, UserShare]) -> dict[str, tuple[int, float]]:
    whole = sum(share.weight for share in shares.values()) or 1
    return {name: (share.fixed_count, round(share.weight / whole, 9)) for name, share in shares.items()}
