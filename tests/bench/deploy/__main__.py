"""What a deployment costs, by `fab deploy-workers` and by an Ansible playbook in turn: `python tests/bench/deploy`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share
sys.path.append(str(Path(__file__).parents[2] / "fleet"))
sys.path.append(str(Path(__file__).parents[2] / "fleet/lab"))

from cases import WAYS, Round, order
from children import Children
from command import (
    EXIT_FAILED,
    EXIT_INPUT,
    OUT,
    carry_out,
    complain,
    open_console,
    progress_on,
    whole_number,
)
from figures import on_paper, rows_of
from labs import skip_reason
from machine import describe_all
from rounds import Bench
from show import NAMES, document, print_table
from testbed import KINDS, SkipError, Testbed, ansible_playbook, lab_of
from ways import PLAYBOOK

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
MOST = 200
"""Hosts: the lab's network has so many addresses."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    options = _parse(arguments)
    if max(options.hosts) > MOST:
        return complain(f"{max(options.hosts)} hosts don't fit into a lab, at most {MOST} do", EXIT_INPUT)
    if not options.playbook.is_file():
        return complain(f"no such playbook: {options.playbook}", EXIT_INPUT)
    reason = skip_reason()
    if reason:
        print(f"skipped: no hosts of a lab: {reason}")  # noqa: T201
        return 0
    if ansible_playbook() is None:
        print("skipped: ansible-playbook is not installed (pip install ansible-core)")  # noqa: T201
        return 0
    try:
        return carry_out(lambda: _bench(options), options.out)
    except SkipError as error:
        print(f"skipped: no hosts of a lab: {error}")  # noqa: T201
        return 0


def _bench(options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    console = open_console()
    says = open_console(stderr=True)
    loads: list[float] = []
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name:
        says.print(f"starting {max(options.hosts)} hosts")
        with lab_of(max(options.hosts), options.kind) as lab, Children() as children:
            says.print("preparing them: enroll, provision, deploy once")
            testbed = Testbed(lab, Path(name), children)
            bench = Bench(testbed, testbed.prepare(), options.playbook.resolve(), trial=options.trial)
            rounds = _measure(bench, options, loads)
    rows = rows_of(rounds)
    facts = {
        "rows": rows,
        "papers": on_paper(rows),
        "machine": describe_all(),
        "versions": {
            "ours": f"piswarm {version('piswarm')}",
            "ansible": f"ansible-core {version('ansible-core')}",
            "controller": f"controller with Python {PYTHON}",
            "hosts": f"hosts {options.kind}",
        },
        "trial": options.trial,
        "loads": loads,
    }
    print_table(console, rounds=options.rounds, **facts)
    result = document(started=started, rounds=rounds, **facts)
    options.out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    console.print(f"written to {options.out}", soft_wrap=True)
    return EXIT_FAILED if any(each.error for each in rounds) else 0


def _measure(bench: Bench, options: argparse.Namespace, loads: list[float]) -> list[Round]:
    """All rounds, with a line on stderr that says which one is on. `loads` gets the machine's load average before each."""
    console = open_console(stderr=True)
    done: list[Round] = []
    with progress_on(console) as bar:
        task = bar.add_task("", total=options.rounds * len(options.hosts) * len(WAYS))
        for number, count, way in order(options.hosts, options.rounds):
            if not done or done[-1].round != number:
                loads.append(os.getloadavg()[0])
            words = f"round {number + 1} of {options.rounds}  {count:3} hosts  {NAMES[way]:8}"
            bar.update(task, description=words)
            for each in bench.measure(number, count, way):
                done.append(each)
                if not console.is_terminal or each.error:
                    took = f"{each.cost.seconds:.2f} s, {each.cost.cpu_s:.2f} s CPU" if each.cost else each.error
                    console.print(f"{words}  {each.case:7}  {took}", markup=False, soft_wrap=True)
            bar.advance(task)
    return done


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/deploy",
        description="What a deployment costs on hosts of a lab on this machine: `fab deploy-workers`, and an Ansible playbook that does the same,\n"
        "in turn. Three cases each: a first release, nothing changed, one file changed. Needs root, Debian, systemd-container,\n"
        "debootstrap and ansible-core. The default takes about 40 minutes.",
        epilog="example: python tests/bench/deploy --hosts 4 --rounds 1 --out /tmp/deploy.json\n\n"
        "exit status: 0 measured, or skipped where there can be no lab; 1 a deployment failed; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--hosts",
        type=_numbers,
        default=[8, 32],
        metavar="N,N,…",
        help="how many hosts (default: 8,32); 500 are told on paper from the fewest and the most",
    )
    parser.add_argument(
        "--rounds", type=whole_number, default=3, metavar="N", help="rounds of each way (default: %(default)s)"
    )
    parser.add_argument(
        "--kind",
        choices=KINDS.values(),
        default=KINDS.get(PYTHON, "trixie-amd64"),
        help="of hosts (default: %(default)s, whose Python this one is, if any is: byte code comes along then)",
    )
    parser.add_argument(
        "--playbook",
        type=Path,
        default=PLAYBOOK,
        metavar="FILE",
        help="another playbook (default: tests/bench/deploy/playbook.yml)",
    )
    parser.add_argument(
        "--trial",
        action="store_true",
        help="have the playbook also verify each file and import each module before the switch, as fab does",
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "deploy.json", help="JSON file to write (default: bench/deploy.json)"
    )
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return sorted({whole_number(part) for part in text.split(",")})


if __name__ == "__main__":
    sys.exit(main())
