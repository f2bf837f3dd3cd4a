"""The two ways to deploy: their commands, and whether what they say is what should have come of it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from children import BenchError
from testbed import Order, Release, Testbed

PLAYBOOK = Path(__file__).with_name("playbook.yml")
SETTINGS = Path(__file__).with_name("ansible.cfg")
_RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
OURS = ("--json", "--canaries", "0", "--batch", "500", "--pool", "32", "--settle", "0")
"""As the playbook goes: no host ahead of the others, no two batches, and an agent counts as healthy as soon as it says that it is up."""


class Ours:
    """`fab deploy-workers`."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    def order(self, names: Sequence[str], release: Release) -> Order:
        """The command that brings `release` to the hosts of these names."""
        self._testbed.choose(release)
        operator = self._testbed.operator
        where = ("--inventory", str(operator.lab.inventory), "--state", str(operator.state), "--limit", ",".join(names))
        path = os.pathsep.join([str(operator.directory), *filter(None, [os.environ.get("PYTHONPATH")])])
        words = (sys.executable, "-m", "fabric", "deploy-workers", *OURS, *where)
        return Order(words, operator.directory, {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"})

    def judge(self, said: str, names: Sequence[str], *, changed: bool) -> int:
        """Bytes of archives that were sent. Raises BenchError where it has not done what it should."""
        if not said.startswith("{"):
            raise BenchError("fab has ended without a report")
        hosts = json.loads(said)["hosts"]
        wanted = "changed" if changed else "unchanged"
        wrong = [host for host in hosts if host["outcome"] != wanted]
        if wrong or len(hosts) != len(names):
            first = f"{wrong[0]['host']} {wrong[0]['outcome']} {wrong[0]['message']}" if wrong else ""
            raise BenchError(f"fab: {len(hosts)} hosts, {len(wrong)} not {wanted}: {first}")
        return sum(host["bytes_sent"] for host in hosts)


class Ansible:
    """A playbook; `trial` has it do its tasks of that tag too."""

    def __init__(self, testbed: Testbed, playbook: Path, *, trial: bool) -> None:
        self._testbed = testbed
        self._words = (str(playbook), *(("--tags", "all,trial") if trial else ()))

    def order(self, names: Sequence[str], release: Release) -> Order:
        """The command that brings `release` to the hosts of these names."""
        given = json.dumps({"release": release.name, "archive": str(release.archive)})
        return self._testbed.ansible(SETTINGS, *self._words, "--limit", ",".join(names), "--extra-vars", given)

    def judge(self, said: str, names: Sequence[str], *, changed: bool) -> None:
        """Raises BenchError where it has not done what it should."""
        found = {host: tuple(map(int, counts)) for host, *counts in _RECAP.findall(said)}
        for name in names:
            changes, unreachable, failed = found.get(name, (0, 1, 0))
            if unreachable or failed or bool(changes) is not changed:
                words = "unreachable" if unreachable else "failed" if failed else f"{changes} changes"
                raise BenchError(f"ansible-playbook: {name}: {words}")
