"""Measures the cases of one round, by one way, on the testbed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cases import CASES, Cost, Round
from children import BenchError, blame
from testbed import Release, Testbed, wire_bytes
from ways import Ansible, Ours


class Bench:
    """Deploys to a testbed by both ways, and tells what each deployment took."""

    def __init__(
        self,
        testbed: Testbed,
        releases: tuple[Release, Release],
        playbook: Path,
        *,
        trial: bool,
    ) -> None:
        self._testbed = testbed
        self._plain, self._changed = releases
        self._ways: dict[str, Ours | Ansible] = {
            "ours": Ours(testbed),
            "ansible": Ansible(testbed, playbook, trial=trial),
        }

    def measure(self, number: int, count: int, way: str) -> Iterator[Round]:
        """All cases, one after the other; what follows one that failed is not measured."""
        names = [host.name for host in self._testbed.lab.hosts[:count]]
        self._testbed.reset(names)
        error = None
        for case in CASES:
            if error is None:
                release = self._changed if case == "upgrade" else self._plain
                try:
                    cost, sent = self._deploy(way, names, release, changed=case != "again")
                    yield Round(number, count, way, case, cost, release_bytes=sent)
                    continue
                except BenchError as failure:
                    error = str(failure)
            yield Round(number, count, way, case, error=error)

    def _deploy(self, way: str, names: Sequence[str], release: Release, *, changed: bool) -> tuple[Cost, int | None]:
        """What it took, and how much of archives was sent, as far as that is told."""
        order = self._ways[way].order(names, release)
        to_before, from_before = wire_bytes()
        used_before_s = self._testbed.cpu_s(names)
        took, said = self._testbed.run(order)
        used_s = self._testbed.cpu_s(names) - used_before_s
        to_after, from_after = wire_bytes()
        try:
            sent = self._ways[way].judge(said, names, changed=changed)
        except BenchError as failure:
            raise BenchError(blame(str(failure), self._testbed.log)) from None
        lacking = self._testbed.lacking(names, release)
        if lacking:
            raise BenchError(f"{', '.join(lacking)}: the release {release.name} is not there, or not switched to")
        return Cost(took["seconds"], took["cpu_s"], used_s, to_after - to_before, from_after - from_before), sent
