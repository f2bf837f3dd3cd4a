"""The projects of this folder, and what is said to either tool so that they run the same."""

from __future__ import annotations

from runs import NOTES, PORTS, Pair

SOCKETIO = "PARITY_SOCKETIO"
"""The variable with the URL of the Socket.IO server."""
_NAMED = [NOTES, PORTS]

PAIRS = {
    pair.name: pair
    for pair in (
        Pair(
            "shop",
            users=10,
            locustfiles=("locustfile.py", "more_users.py"),
            options=("--tenant", "globex", "--exclude-tags", "excluded"),
            scenario={
                "arguments": {"tenant": "globex"},
                "exclude_tags": ["excluded"],
                "environment": [*_NAMED, "PARITY_TOKEN"],
            },
            environment={"PARITY_TOKEN": "sesame"},
        ),
        Pair(
            "tagged",
            run_time_s=5,
            by_command=True,
            options=("--tags", "good", "--exclude-tags", "slow", "--", "Chosen"),
        ),
        Pair("shaped", run_time_s=None, host=False, scenario={"load": {"shape": "Steps"}, "environment": _NAMED}),
        Pair("quitting", run_time_s=60, scenario={"environment": _NAMED}),
        Pair("failing_init", run_time_s=5, starts=False, scenario={"environment": _NAMED}),
        Pair("socketio", run_time_s=5, scenario={"environment": [*_NAMED, SOCKETIO]}),
        Pair("single"),
    )
}
