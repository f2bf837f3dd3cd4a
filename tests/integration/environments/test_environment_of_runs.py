"""What is in an environment file is what real runs go by: on simulated nodes, and on agents that have a file of their own."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import msgspec
import psutil
from free_ports import free_ports
from processes import PISWARM, Piswarm, Target
from prometheus_client.parser import text_string_to_metric_families
from sourced import sourcing
from standing_fleet import StandingFleet, plan

from master.environments.generate import generate
from master.store import Store
from worker.agent.calibration import FILE, CachedCapacity, Machine
from worker.telemetry.sensors import MachineSensors

NOWHERE = "http://127.0.0.1:9"
"""The target of scenarios whose target a variable replaces."""
CAPACITY = 3.25


def test_a_run_on_simulated_nodes_goes_by_a_generated_file(piswarm: Piswarm, target: Target, tmp_path: Path) -> None:
    """Target, nodes, users, duration, run directory, the master's address and the metrics' port, and processes of nodes."""
    scenario = piswarm.scenario(target=NOWHERE, load=[{"users": 8, "spawn_rate": 20, "hold": "600s"}])
    port, metrics_port, out = free_ports(), free_ports(), tmp_path / "where the file says"
    said = {
        "TARGET": target.url,
        "LOCAL": 2,
        "USERS": 3,
        "DURATION": "6s",
        "OUT": out,
        "LISTEN": "127.0.0.9",
        "PORT": port,
        "METRICS_PORT": metrics_port,
        "SEPARATE": "true",
    }
    file = tmp_path / "piswarm.env"
    generate("test", "local", [f"PISWARM_RUN_{name}={value}" for name, value in said.items()], file, only=["run"])
    started = piswarm.start_by(sourcing(file, [*PISWARM, "run", scenario]), out)
    assert started.wait_for("metrics on ").split()[-1] == f"http://127.0.0.1:{metrics_port}/metrics"
    started.wait_for("stage 1 of 1, hold")
    listened = {each.laddr for each in psutil.Process(started.process.pid).net_connections() if each.status == "LISTEN"}
    assert ("127.0.0.9", port) in listened
    nodes = [each for each in started.family() if "worker.simulation.node" in each.cmdline()]
    assert len(nodes) == 2
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10) as answer:
        families = {each.name for each in text_string_to_metric_families(answer.read().decode())}
    assert "piswarm_requests" in families
    finished = started.finish()
    assert finished.status == 0, finished.output
    result = finished.result
    assert (result["nodes"]["expected"], result["nodes"]["simulated"]) == (2, True)
    assert (result["users"]["peak"], result["users"]["target"]) == (3, 3)
    assert result["requests"]["total"] == sum(target.counts().values()) > 0
    as_run = (out / "scenario.yml").read_text("utf-8")
    assert "hold: 5.85s" in as_run, "what is left of 6 s once 3 users have come, 20 of them a second"


class FleetByFile(StandingFleet):
    """Agents that get what they are told by an environment file each, and no argument."""

    def environment_of(self, name: str) -> Path:
        """Return a node's file, made on demand; the node's state folder holds a capacity that no measurement gives."""
        file, state = self.folder(name) / "agent.env", self.folder(name) / "state of the agent"
        if not file.exists():
            state.mkdir()
            facts = MachineSensors().facts()
            machine = Machine(facts.model, facts.cpu_count, facts.python, facts.piswarm)
            (state / FILE).write_bytes(msgspec.json.encode(CachedCapacity(machine, CAPACITY)))
            said = [f"PISWARM_AGENT_DIRECTORY={self.folder(name)}", f"PISWARM_AGENT_STATE_FOLDER={state}"]
            generate("production", "pi", said, file, only=["agent"])
        return file

    def command(self, name: str) -> list[str]:
        """Return the command of an agent, behind a shell that reads the file."""
        return sourcing(self.environment_of(name), super().command(name)[:-1])


def test_a_run_on_agents_goes_by_generated_files(piswarm: Piswarm, tmp_path: Path) -> None:
    """Inventory, keys, limit, rate and users of the run; directory and state folder of the agent; the embedded target's database."""
    scenario = plan(piswarm, target=NOWHERE, load=[{"rate": "400/s", "hold": "6s", "max_users": 200}])
    file, out = tmp_path / "piswarm.env", tmp_path / "out"
    with FleetByFile(tmp_path, 2) as fleet:
        said = {
            "RUN_TARGET": "embedded",
            "RUN_INVENTORY": fleet.inventory,
            "RUN_STATE": fleet.state,
            "RUN_LIMIT": "pi2",
            "RUN_RATE": "20/s",
            "RUN_MAX_USERS": 5,
            "TARGET_DATABASE": tmp_path / "target.db",
        }
        generate("test", "default", [f"PISWARM_{name}={value}" for name, value in said.items()], file)
        words = ["run", scenario, "--out", out, "--duration", "5s"]
        finished = piswarm.start_by(sourcing(file, [*PISWARM, *words]), out).finish(90)
    assert finished.status == 0, finished.output
    result = finished.result
    assert result["nodes"]["simulated"] is False
    assert (result["load"]["offered"], result["users"]["target"]) == (5 * 20, 5)
    assert (tmp_path / "target.db").exists()
    store = Store(out / "run.db")
    try:
        capacities = {name: facts and facts.capacity for name, facts in store.nodes().items() if name != "controller"}
        assert capacities == {"pi2": CAPACITY}
    finally:
        store.close()
