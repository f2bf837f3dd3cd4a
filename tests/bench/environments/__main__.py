"""What making and checking an environment takes, against the limits: the commands as their users call them, the parts by themselves."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

from command import OUT, carry_out, whole_number
from limits import Operation, measure_limits, timed

from master.environments.generate import make_secret
from master.environments.kinds import PRINTABLE, Secret
from master.environments.layers import merge_layers

SCHEMA = "piswarm/bench/environments/1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python tests/bench/environments", description=__doc__)
    parser.add_argument(
        "--rounds", type=whole_number, default=7, help="rounds of each operation (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "environments.json", help="the document (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    return carry_out(lambda: _bench(options.rounds, options.out), options.out)


def _bench(rounds: int, out: Path) -> int:
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as folder:
        return measure_limits(_operations(Path(folder) / "piswarm.env"), rounds, SCHEMA, out)


def _operations(file: Path) -> list[Operation]:
    longest = Secret(length=256, alphabet=PRINTABLE)
    make = ("generate", "--environment", "production", "--template", "cloud", "--rotate", "--out", str(file))
    return [
        Operation("generate one environment, by the command", 5, timed(lambda: _piswarm_env(*make))),
        Operation("validate one, by the command", 2, timed(lambda: _piswarm_env("validate", str(file)))),
        Operation("make the longest secret", 1, timed(lambda: make_secret(longest))),
        Operation(
            "merge three layers, with the origin of each value", 3, timed(lambda: merge_layers("production", "cloud"))
        ),
    ]


def _piswarm_env(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "master.cli", "env", *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
