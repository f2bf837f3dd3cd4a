"""Whether the load that was asked for was there: users that ran, classes that made requests, and what nodes lacked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from master.judge.generator.validity import ValidityOutcome
from master.scenario import LoadStage, Stage
from master.scenario.units import format_percent, rounded


@dataclass
class UserSeconds:
    """Users over the judged seconds of which they are known."""

    wanted: int = 0
    ran: int = 0
    """Of the wanted ones: too many in one second make up for none in another."""


@dataclass(frozen=True)
class LocalErrors:
    """Requests of a node that failed in the judged part for want of something on the node itself."""

    node: str
    requests: int
    first: str
    """What made the first of these seconds unfit."""


def user_seconds(stages: Sequence[LoadStage], ran: Mapping[tuple[str, int], int]) -> UserSeconds:
    """How many users were wanted and ran, added up over the steady seconds that all workers reported.

    `ran` is how many of these there were by stage, such as "2 hold", and users. In the open model all that may be busy at a time are
    to run, whether they are busy or not.
    """
    found = UserSeconds()
    for (stage, users), seconds in ran.items():
        planned = stages[int(stage.split()[0]) - 1]
        wanted = planned.users if isinstance(planned, Stage) else planned.max_users
        found.wanted += seconds * wanted
        found.ran += seconds * min(users, wanted)
    return found


def check_users(
    min_percent: float, found: UserSeconds, silent: Sequence[str], exceptions: Sequence[str]
) -> ValidityOutcome:
    """The check `users`: no smaller share of the users asked for ran, and every class of them made requests.

    `silent` are the classes that made none; `exceptions` says what users' code let through, for the reason.
    """
    limit = f"≥ {format_percent(min_percent)}"
    if not found.wanted:
        message = "no data: no worker reported how many users it ran in the judged part"
        return ValidityOutcome("users", limit, "no data", None, ok=False, message=message)
    share = 100 * found.ran / found.wanted
    text = format_percent(rounded(share, lambda short: short >= min_percent))
    faults = []
    if share < min_percent:
        faults.append(f"only {text} of the users asked for ran, fewer than {format_percent(min_percent)}")
    if silent and min_percent > 0:
        faults.append(f"{' and '.join(silent)} never made a request")
    if faults and exceptions:
        faults.append(f"users' code raised {exceptions[0]}")
    # Users that raise, or ask for nothing, are the locustfile's: where a threshold was seen to break, that is what happened.
    yields_to_fail = bool(faults) and (share >= min_percent or bool(exceptions))
    return ValidityOutcome(
        "users", limit, text, share, ok=not faults, message="; ".join(faults), yields_to_fail=yields_to_fail
    )


def check_local_errors(max_errors: int, found: Sequence[LocalErrors]) -> ValidityOutcome:
    """The check `local_errors`: no more requests failed for want of something on the node itself."""
    requests = sum(row.requests for row in found)
    ok = requests <= max_errors
    message = "" if ok else f"{requests} requests failed for what the generator's own nodes lacked: {found[0].first}"
    nodes = tuple(sorted(row.node for row in found))
    return ValidityOutcome("local_errors", f"≤ {max_errors}", str(requests), float(requests), ok, nodes, message)
