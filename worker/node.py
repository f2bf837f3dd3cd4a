"""The agent's process: answers for the machine that it runs on. Started as `python -m worker.node` with NodeOrders on standard input."""

from __future__ import annotations

import sys

import msgspec
import zmq

from worker.agent import Agent, serve
from worker.curve import Endpoint, Keys, end_context
from worker.lifeline import take_orders
from worker.sensors import MachineSensors


class NodeOrders(msgspec.Struct, frozen=True):
    """All that the agent of a machine needs to know."""

    node: str
    endpoint: Endpoint
    keys: Keys


def main() -> int:
    """Run the agent of this machine by the orders on standard input."""
    orders = take_orders(NodeOrders)
    context = zmq.Context()
    serve([Agent(orders.node, orders.endpoint, orders.keys, MachineSensors(), context=context)])
    end_context(context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
