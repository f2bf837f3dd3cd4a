"""What to do about a check or a threshold that is broken: one text for each, in plain words.

The message beside it says what was seen; this says where to begin. `tests/unit/report/test_advice.py` holds that no check and
no metric is without a text.
"""

from __future__ import annotations

from collections.abc import Mapping

from master.scenario.rules import AGAINST_BASELINE, percent_of

CHECKS: Mapping[str, str] = {
    "loop_lag_p99": (
        "The workers came too late to what they had to do. Give each node fewer users, or use more nodes; and look in the"
        " users' code for what keeps a core busy or blocks it, such as parsing large answers."
    ),
    "worker_cpu": (
        "A worker is one process, and these filled their core. Use more nodes, or fewer users on each; HttpUser takes less"
        " CPU for a request than other clients do."
    ),
    "node_cpu": "End what else runs on the nodes named, or give them fewer users. If all nodes are named, use more of them.",
    "node_memory": (
        "Give the nodes named fewer users, or look for what each user or worker keeps in memory, such as data files that it"
        " reads for itself."
    ),
    "node_temperature": (
        "Cool the nodes named: a heat sink or a fan, space between the boards, colder air. Until then give them less load."
    ),
    "throttling": (
        "The firmware held the clock of these nodes down. Cool them, and check their power supplies and cables. Where it is"
        " unknown of a Pi, let its agent read /dev/vcio (group video)."
    ),
    "under_voltage": (
        "Replace the power supply or the cable of the nodes named: a Pi 4 needs 5.1 V and 3 A, a Pi 5 needs 5 A. Take off USB"
        " devices that they feed."
    ),
    "controller_cpu": (
        "The machine that runs piswarm had too little CPU left. End what else runs there, and have the target on another"
        " machine; with --local, simulate fewer nodes or users."
    ),
    "clock_error": (
        "The controller could not tell closely enough how the nodes' clocks stand. Look for a slow or lossy network between"
        " it and the nodes named, or for nodes too busy to answer."
    ),
    "missing_samples": (
        "Agents did not report. See in the events and in `piswarm logs` whether those of the nodes named ended, and check"
        " their network."
    ),
    "nodes": (
        "Too few nodes took part. See in the events which were lost and when, bring them back, and run again; or set"
        " nodes.min in the scenario to what is enough."
    ),
    "excluded_share": (
        "Too many requests were measured by nodes that were not fit at that time. The table of excluded requests names them"
        " and says why: mend them, leave them out with --limit, or give them less load."
    ),
    "users": (
        "Not all users ran, or some asked for nothing. Read the exceptions in users' code first; if there are none, see in"
        " the events which workers ended."
    ),
    "local_errors": (
        "Requests failed for what the node itself lacked. Out of ports: keep connections open, or use more nodes. Out of"
        " descriptors or memory: fewer users on each. No route or name: check the nodes' network."
    ),
    "latency_error": (
        "The workers read answers late and took that for latency. Use piswarm's HttpUser, whose times end when the kernel has"
        " the answer, or put fewer users on a node."
    ),
    "doubtful_thresholds": (
        "These rules are broken by less than the workers' own lag may have added. Run again with fewer users on each node, so"
        " that the lag falls; then it shows whose fault it is."
    ),
    "arrivals": (
        "The nodes did not start requests when they were due. Use more nodes, or a lower rate; and see in the events whether"
        " workers or the controller stood still."
    ),
}
"""By the check's name."""

_SLOW = (
    "The target answered more slowly than promised. The endpoints tell which requests are slow, the charts whether always or"
    " at some moments; look there at the target's own CPU, memory and logs."
)
_TOO_FEW = (
    "The target did not do as much as promised. If its answers are slow or fail, begin there; if not, too few users asked:"
    " raise their number, or shorten the time that they wait."
)

METRICS: Mapping[str, str] = {
    "latency": _SLOW,
    "service": (
        "The target took longer for a request than promised, apart from the wait for a free user. The endpoints tell which"
        " requests are slow, the charts when."
    ),
    "rate": _TOO_FEW,
    "rate_per_user": _TOO_FEW,
    "errors": (
        "Read the errors, the most frequent first, with when each began, and look for that moment in the target's logs."
    ),
    "exceptions": "Users' code raised. Each place is listed with its line: mend it there, or handle the answer that it did not expect.",
    "missed": (
        "No user was free for these arrivals, since the target kept all of them busy. Make it faster; or, if so many requests"
        " at a time are meant to be, raise max_users."
    ),
    "arrival_rate": (
        "Fewer arrivals were started than promised. The table of arrivals tells whether users were busy with a slow target, or"
        " the nodes were late."
    ),
    "cache_hits": "The target answered too much without its cache. Check the cache's size and how long entries live, and whether users ask for the same things.",
    "baseline": (
        "The target is worse than in the run that it is compared with. The comparison names the endpoints: see what changed in"
        " the target between the two."
    ),
    "lost": "A service that the target needs was lost while it was under load. Its own logs, at the moment that is named, tell why.",
    "process_exit_code": "The locustfile itself judged the run. See where it sets environment.process_exit_code, and why.",
}
"""By the metric that a threshold is on; percentiles of latencies and of service times have one text each."""

UNKNOWN_RULE = (
    "Nothing can be said of it until enough requests count: see why so many were excluded or failed, and run again."
)

UNKNOWN_BASELINE = (
    "Compare with a run of the same scenario, fleet and load that was itself fit to measure (--baseline RUN), and hold the"
    " load for longer where too little was measured."
)

NO_DATA = "Nothing was measured to judge it by. See whether the load was ever held steady, and whether the nodes sent anything."

FAULT = "This is a fault in piswarm, and not in the target or the nodes. Please report it, with this text and run.db."


def check_advice(check: str, ok: bool | None, *, without_data: bool, fault: bool) -> str:
    """What to do about this check; empty where there is nothing to do."""
    if fault:
        return FAULT
    if ok is not False:
        return ""
    return NO_DATA if without_data else CHECKS.get(check, "")


def rule_advice(metric: str, ok: bool | None, *, without_data: bool) -> str:
    """What to do about a threshold on this metric; empty where there is nothing to do."""
    if ok:
        return ""
    if without_data:
        return NO_DATA
    kind = _kind(metric)
    if ok is None:
        return UNKNOWN_BASELINE if kind == "baseline" else UNKNOWN_RULE
    return METRICS.get(kind, "")


def _kind(metric: str) -> str:
    """A metric as a key of METRICS."""
    if metric.endswith(AGAINST_BASELINE):
        return "baseline"
    if metric.endswith(" baseline"):
        return "baseline"
    if percent_of(metric) is None:
        return metric
    return "service" if metric.startswith("service ") else "latency"
