"""What the monitoring itself costs, against its floors: `python tests/bench/monitoring`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share
sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what they share

from children import BenchError, Children, blame
from command import EXIT_FAILED, OUT, carry_out, open_console, progress_on, whole_number
from machine import Cores, choose_cores, describe
from monitoring_gates import FLOORS, Measured, measured
from monitoring_tables import document, print_table

from worker.tracing.installed import is_installed

HERE = Path(__file__).parent
NO_OPENTELEMETRY = "OpenTelemetry is not installed: pip install --editable '.[tracing]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    options = _parse(arguments)
    cores = choose_cores()
    if cores is None:
        print("skipped: two cores are needed, so that nobody disturbs the one that is measured")  # noqa: T201
        return 0
    return carry_out(lambda: _bench(cores, options), options.out)


def _bench(cores: Cores, options: argparse.Namespace) -> int:
    started, began_s = datetime.now(UTC), time.monotonic()
    skipped = {area: why for area, why in _missing().items() if area in options.only}
    found: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name, Children() as children:
        bench = _Bench(cores, Path(name), children, options.rounds)
        console = open_console(stderr=True)
        with progress_on(console) as bar:
            task = bar.add_task("", total=len(options.only) - len(skipped))
            for area in (each for each in options.only if each not in skipped):
                bar.update(task, description=area)
                if not console.is_terminal:
                    console.print(f"measuring {area}", soft_wrap=True)
                found += measured(area, bench.measure(area))
                bar.advance(task)
    facts: dict[str, Any] = {
        "machine": describe(cores, measured="measured", other="server"),
        "measured": found,
        "skipped": skipped,
    }
    console = open_console()
    print_table(console, **facts, took_s=time.monotonic() - began_s)
    options.out.write_text(json.dumps(document(started=started, **facts), indent=2, ensure_ascii=False) + "\n", "utf-8")
    console.print(f"written to {options.out}", soft_wrap=True)
    return 0 if all(each.gate.holds for each in found) else EXIT_FAILED


def _missing() -> dict[str, str]:
    """The areas that can't be measured here, and why."""
    return {} if is_installed() else dict.fromkeys(("spans", "stalls"), NO_OPENTELEMETRY)


class _Bench:
    """Measures one area after the other, each in a process of its own on the measured core, with its servers on the other."""

    def __init__(self, cores: Cores, directory: Path, children: Children, rounds: int) -> None:
        self._cores = cores
        self._directory = directory
        self._children = children
        self._rounds = rounds

    def measure(self, area: str) -> dict[str, list[float]]:
        """The values of an area's figures, round by round. Raises BenchError."""
        servers = []
        if area in {"requests", "spans", "off"}:
            servers.append(self._start_target())
        if area in {"spans", "stalls"}:
            servers.append(self._start("collector", [sys.executable, str(HERE / "span_sink.py")], str.strip))
        urls = [url for _, url in servers]
        log = self._directory / f"{area}.log"
        command = [sys.executable, str(HERE / "operations.py"), area, str(self._rounds), *urls]
        process = self._children.start(command, self._cores.measured, log=log)
        output, _ = process.communicate()
        self._children.end(process)
        for server, _ in servers:
            self._children.end(server)
        if process.returncode or not output.startswith("{"):
            raise BenchError(blame(f"{area} can't be measured", log))
        values: dict[str, list[float]] = json.loads(output)
        return values

    def _start_target(self) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "master.target", "--until-stdin-closes"]
        environment = {**os.environ, "PISWARM_TARGET_PASSWORD": "of-this-bench-alone"}
        return self._start("target", command, lambda line: json.loads(line)["url"], environment)

    def _start(
        self, name: str, command: list[str], url_of: Callable[[str], str], environment: dict[str, str] | None = None
    ) -> tuple[subprocess.Popen[str], str]:
        log = self._directory / f"{name}.log"
        process = self._children.start(
            command, self._cores.other, log=log, stdin=subprocess.PIPE, environment=environment
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise BenchError(blame(f"the {name} did not start", log))
        return process, url_of(line)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/monitoring",
        description="What recording, cache, rate limits, requests, export, spans, rules and memory cost here, against their floors;\n"
        "and that tracing costs nothing while it is off. Takes about 2 minutes.",
        epilog="example: python tests/bench/monitoring --only export,alerts --out /tmp/monitoring.json\n\n"
        "exit status: 0 every floor holds, or skipped for want of a second core; 1 one does not, or it failed;\n"
        "2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=whole_number, default=15, metavar="N", help="rounds of each area (default: %(default)s)"
    )
    parser.add_argument(
        "--only", type=_areas, default=list(FLOORS), metavar="AREA,…", help=f"of {', '.join(FLOORS)} (default: all)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT / "monitoring.json",
        help="where the figures go (default: bench/monitoring.json)",
    )
    return parser.parse_args(arguments)


def _areas(text: str) -> list[str]:
    areas = [each.strip() for each in text.split(",")]
    unknown = [each for each in areas if each not in FLOORS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(FLOORS)}")
    return list(dict.fromkeys(areas))


if __name__ == "__main__":
    sys.exit(main())
