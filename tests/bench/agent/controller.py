"""The controller that the measured agent talks to: its port and its side of the conversation, and nothing else.

Prints lines of JSON: how to reach it, that the node's worker is there, and every sample with when it came.
"""

from __future__ import annotations

# Locust comes first, as in its own command: importing it patches the standard library for gevent.
import locust  # isort: skip  # noqa: F401

import json
import sys
import time
from typing import Any

from master.fleet.server import AGENT, FleetServer
from worker.wire.curve import new_keys
from worker.wire.messages import Assign, ClockRequest, Hello, Sample, Welcome
from worker.wire.work import Assignment, UserShare, Work

NODE = "pi001"
WORK = Work("bench", {"ApiUser": UserShare(weight=1)}, "http://127.0.0.1:9", 0, 0.0)
"""Users of which none is started, and so a target that nobody asks."""
QUESTION_EVERY = 5
"""Samples between two questions for the agent's clocks, as a run asks them."""


def main() -> None:
    """Welcome the node with the period in seconds that the argument says, and tell of it until killed."""
    period_s = float(sys.argv[1])
    keys = new_keys()
    server = FleetServer("127.0.0.1", 0, new_keys(), {keys.public: NODE})
    say(address=server.endpoint.address, server=server.endpoint.public_key, public=keys.public, secret=keys.secret)
    worker_told = False
    while True:
        _, message = server.recv_from_client()
        match message.data:
            case Hello():
                server.send_to_agent(NODE, Welcome(period_s))
                server.send_to_agent(NODE, Assign(Assignment(WORK, 0, 1, workers=1)))
            case Sample(number=number, due_s=due_s, sent_s=sent_s):
                say(number=number, due_s=due_s, sent_s=sent_s, received_s=time.monotonic())
                if number % QUESTION_EVERY == 0:
                    server.send_to_agent(NODE, ClockRequest(time.monotonic()))
            case _ if message.type != AGENT and not worker_told:
                worker_told = True
                say(worker=message.node_id)


def say(**what: Any) -> None:
    """One line for the parent."""
    print(json.dumps(what), flush=True)  # noqa: T201  # the contract with the parent


if __name__ == "__main__":
    main()
