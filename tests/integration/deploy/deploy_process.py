"""A controller in a process of its own, for tests that interrupt or kill it: `deploy_process.py RACK VERSION HOSTS-IN-A-BATCH`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what they share
from ssh_hosts import Rack

from master.deploy.command import Command, Options, exit_on_error
from master.deploy.host.steps import HealthCheck
from master.deploy.rollout.batches import Budget
from master.deploy.rollout.deployment import DeploymentOptions


def main() -> None:
    rack = Rack(Path(sys.argv[1]))
    with exit_on_error():
        command = Command(Options(rack.inventory, state=rack.state.directory, json=True))
        options = DeploymentOptions(
            batch=int(sys.argv[3]), budget=Budget(0, is_share=False), health_check=HealthCheck(0.4, 15)
        )
        version, body = sys.argv[2], json.loads(sys.argv[4])
        sys.exit(command.deploy(options, lambda platform, bases: rack.build(version, platform, body, bases)))


if __name__ == "__main__":
    main()
