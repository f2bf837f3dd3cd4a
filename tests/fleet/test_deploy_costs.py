"""`make bench-deploy` for real, but small: what it measures is not judged, only that it is reported correctly."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hosts import BRIDGE
from labs import skip_reason

sys.path.append(str(Path(__file__).parents[1] / "integration"))

from benches import Bench, wait_for_child

BENCH = Bench("deploy")
CASES = ["first", "again", "upgrade"]
NAMES = {"ours": "fab", "ansible": "playbook"}
LIMIT_S = 900


def _has_ansible() -> bool:
    beside = Path(sys.executable).with_name("ansible-playbook")
    return beside.exists() or shutil.which("ansible-playbook") is not None


pytestmark = [
    pytest.mark.skipif(bool(skip_reason()), reason=f"no lab hosts: {skip_reason()}"),
    pytest.mark.skipif(not _has_ansible(), reason="ansible-playbook is not installed"),
    pytest.mark.timeout(LIMIT_S),
]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, dict[str, Any]]:
    """What one small run by the Makefile's command printed to both outputs, and its document."""
    return BENCH.measure(tmp_path_factory.mktemp("bench"), "--hosts 1,2 --rounds 1 --trial")


def test_table_and_document_have_all_cases_by_both_ways(measured: tuple[str, str, dict[str, Any]]) -> None:
    """The table shows the document's figures for every case and both tools, and each has a line of progress."""
    printed, progress, document = measured
    assert document["schema"] == "piswarm/bench/deploy/1"
    rows = {(row["hosts"], row["case"], row["way"]): row for row in document["summary"]}
    assert list(rows) == [(hosts, case, way) for hosts in (1, 2) for case in CASES for way in NAMES]
    for (hosts, case, way), row in rows.items():
        assert row["missing"] is None
        words = [str(hosts), case, NAMES[way]]
        (line,) = [line for line in printed.splitlines() if line.split()[:3] == words]
        assert float(line.split()[3]) == pytest.approx(row["figures"]["seconds"], abs=0.0051)
    assert len([line for line in progress.splitlines() if line.startswith("round 1 of 1")]) == len(rows)
    assert "(500)" in printed
    assert len(document["on_paper"]) == len(CASES) * len(NAMES)


def test_where_nothing_has_changed_no_archive_goes_over_the_wire(measured: tuple[str, str, dict[str, Any]]) -> None:
    """Where nothing has changed, fab and the network interface count no archive; where something has, both tools send
    one per host.
    """
    _, _, document = measured
    for each in document["rounds"]:
        assert each["error"] is None
        to_host = each["cost"]["to_hosts_bytes"] / each["hosts"]
        if each["way"] == "ours":
            assert (each["release_bytes"] == 0) is (each["case"] == "again")
        assert (to_host < 2e6) is (each["case"] == "again")
        assert each["cost"]["cpu_s"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_host_behind(tmp_path: Path, number: signal.Signals) -> None:
    """An interrupted bench leaves neither a host nor a process that worked on hosts."""
    out = tmp_path / "deploy.json"
    with BENCH.started("--hosts", "1", "--rounds", "1", "--out", str(out)) as process:
        ansible = wait_for_child(process, "provision.yml")
        family = [ansible, *ansible.children(recursive=True)]
        process.send_signal(number)
        _, complaint = process.communicate(timeout=LIMIT_S / 2)
    assert process.returncode == 4
    assert complaint.endswith("bench: interrupted; nothing was written\n")
    assert not any(each.is_running() for each in family)
    assert not Path(f"/sys/class/net/{BRIDGE}").exists()
    assert not out.exists()
