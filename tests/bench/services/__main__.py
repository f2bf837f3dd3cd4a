"""What reading, ordering and asking services takes, against the limits: with the real target, PostgreSQL and Redis on loopback."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share
sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what they share
sys.path.append(str(Path(__file__).parents[2] / "integration"))  # the real servers that tests start

from children import BenchError
from command import OUT, carry_out, whole_number
from database_servers import Postgres, Redis
from limits import Operation, measure_limits, timed
from processes import PISWARM, ROOT, Target

from master.services.health.check import prepare_questions
from master.services.loader import MAX_SERVICES, load_services
from master.services.order import dependency_order

SCHEMA = "piswarm/bench/services/1"
SHIPPED = ROOT / "configs/services"
_GATEWAY = "kind: gateway\nendpoint: {{url: target}}\nhealth: {{probe: http, path: /health}}\ndepends_on: [{}]\n"
_STOPPED = "depends on it: embedded-target, sqlite, database, auth-service"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python tests/bench/services", description=__doc__)
    parser.add_argument(
        "--rounds", type=whole_number, default=7, help="rounds of each operation (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=OUT / "services.json", help="the document (default: %(default)s)")
    options = parser.parse_args(arguments)
    return carry_out(lambda: _bench(options.rounds, options.out), options.out)


def _bench(rounds: int, out: Path) -> int:
    with contextlib.ExitStack() as closing:
        folder, data = (
            Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="piswarm-bench-"))) for _ in range(2)
        )
        many = _write_many(folder)
        postgres, redis = (closing.enter_context(server) for server in (Postgres(data), Redis()))
        target = closing.enter_context(Target())
        variables = {"PISWARM_POSTGRESQL_URL": postgres.url, "PISWARM_REDIS_URL": redis.url}
        stopped = variables | {"PISWARM_POSTGRESQL_URL": _stopped_server(closing)}
        return measure_limits(_operations(many, target.url, variables, stopped), rounds, SCHEMA, out)


def _operations(many: Path, target: str, variables: Mapping[str, str], stopped: Mapping[str, str]) -> list[Operation]:
    depends_on = {f"s{number}": [f"s{other}" for other in _below(number)] for number in range(MAX_SERVICES)}
    return [
        Operation("find, read, validate and order the files shipped", 1, timed(lambda: load_services(SHIPPED))),
        Operation(f"the same of {MAX_SERVICES} files, the most that are taken", 1, timed(lambda: load_services(many))),
        Operation(f"order {MAX_SERVICES} services, alone", 2, timed(lambda: dependency_order(depends_on))),
        Operation("health of each service shipped, the slowest", 0.5, lambda: _slowest_s(SHIPPED, variables, target)),
        Operation(f"health of each of {MAX_SERVICES}, the slowest", 0.5, lambda: _slowest_s(many, variables, target)),
        Operation("the command, all healthy", 2, timed(lambda: _check(target, variables, 0, "not used"))),
        Operation(
            "the command, PostgreSQL stopped: it and all that depends on it are named",
            2,
            timed(lambda: _check(target, stopped, 1, _STOPPED)),
        ),
    ]


def _below(number: int) -> list[int]:
    """The services that one depends on: up to three of those before it."""
    return sorted({number // 2, number // 3, number - 1} - {number, -1})


def _write_many(folder: Path) -> Path:
    for number in range(MAX_SERVICES):
        text = _GATEWAY.format(", ".join(f"s{other}" for other in _below(number)))
        (folder / f"s{number}.yml").write_text(text, "utf-8")
    return folder


def _stopped_server(closing: contextlib.ExitStack) -> str:
    """The URL of a PostgreSQL that ran, answered, and was stopped."""
    data = closing.enter_context(tempfile.TemporaryDirectory(prefix="piswarm-bench-"))
    with Postgres(Path(data)) as server:
        return server.url


def _slowest_s(folder: Path, variables: Mapping[str, str], target: str) -> float:
    """The longest that a service of the folder took to answer, all being asked at once. Raises BenchError where one is not healthy."""
    found = prepare_questions([*load_services(folder).services.values()], variables, target).ask()
    if sick := [f"{name}: {health.detail}" for name, health in found.items() if not health.is_well]:
        raise BenchError(f"not healthy: {'; '.join(sick)}")
    return max(health.answer_s for health in found.values() if health.answer_s is not None)


def _check(target: str, variables: Mapping[str, str], status: int, words: str) -> None:
    done = subprocess.run(
        [*PISWARM, "services", "check", str(SHIPPED), "--target", target],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != status or words not in done.stdout:
        raise BenchError(f"piswarm services check ended with {done.returncode}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
