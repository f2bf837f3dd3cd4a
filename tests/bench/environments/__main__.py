"""What making and checking an environment takes, against the limits: the commands as their users call them, the parts by themselves."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

from children import BenchError
from command import OUT, carry_out, whole_number
from limits import Operation, measure_limits, timed

from master.environments import files, layers
from master.environments.generate import make_secret
from master.environments.kinds import PRINTABLE, Secret

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
        return measure_limits(_operations(Path(folder)), rounds, SCHEMA, out)


def _operations(folder: Path) -> list[Operation]:
    file, broken = folder / "piswarm.env", folder / "broken.env"
    _write_faults(broken, files.MAX_BYTES, "PISWARM_NO_VARIABLE_{}=1\n")
    own = folder / "layers"
    (own / "templates").mkdir(parents=True)
    for name in ("lab", "templates/default", "templates/mine"):
        _write_faults(own / f"{name}.yml", layers.MAX_BYTES, "no_variable_{}: 1\n")
    longest = Secret(length=256, alphabet=PRINTABLE)
    make = ("generate", "--environment", "production", "--template", "cloud", "--rotate", "--out", str(file))
    return [
        Operation("generate one environment, by the command", 5, timed(lambda: _piswarm_env(*make))),
        Operation("validate one, by the command", 2, timed(lambda: _piswarm_env("validate", str(file)))),
        Operation(
            "validate the largest that is taken, with a fault in each line, by the command",
            2,
            timed(lambda: _piswarm_env("validate", str(broken), status=2)),
        ),
        Operation("make the longest secret", 1, timed(lambda: make_secret(longest))),
        Operation(
            "merge three layers, with the origin of each value",
            3,
            timed(lambda: layers.merge_layers("production", "cloud")),
        ),
        Operation(
            "merge three of the largest that are taken, with a fault in each line",
            3,
            timed(lambda: layers.merge_layers("lab", "mine", own)),
        ),
    ]


def _write_faults(file: Path, size_bytes: int, line: str) -> None:
    lines = (line.format(f"{number:06}") for number in range(size_bytes // len(line.format("000000"))))
    file.write_text("".join(lines), "utf-8")
    file.chmod(0o600)


def _piswarm_env(*words: str, status: int = 0) -> None:
    done = subprocess.run([sys.executable, "-m", "master.cli", "env", *words], capture_output=True, check=False)
    if done.returncode != status:
        raise BenchError(f"piswarm env {words[0]} ended with {done.returncode}: {done.stderr.decode()[:1000]}")


if __name__ == "__main__":
    sys.exit(main())
