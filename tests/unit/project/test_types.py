"""`make lint` finds a wrong name also where a class derives from one of Locust's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROBE = """
from master.fleet.master import FleetMaster

class Probe(FleetMaster):
    def act(self, other: FleetMaster) -> None:
        self.remove_worker("pi1_0")
        self.update_state("ready")  # Locust's own
        self.remove_wroker("pi1_0")
        super().update_sate("ready")
        print(self.target_users)
        other.drain_noed("pi1")
"""
WRONG = ('"Probe" has no attribute "remove_wroker"', '"update_sate" undefined', '"target_users"', '"drain_noed"')


def test_a_name_that_a_class_of_locusts_does_not_have_is_an_error(tmp_path: Path) -> None:
    """mypy sees Locust's classes: were they unknown to it, every name would be right in a class that derives from them."""
    file = tmp_path / "probe.py"
    file.write_text(PROBE)
    # With the project's settings, and the cache that `make lint` has left.
    mypy = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-error-summary", str(file)]
    checked = subprocess.run(mypy, check=False, cwd=ROOT, capture_output=True, text=True)
    errors = checked.stdout.splitlines()
    assert len(errors) == len(WRONG), checked.stdout + checked.stderr
    for error, wrong in zip(errors, WRONG, strict=True):
        assert wrong in error
