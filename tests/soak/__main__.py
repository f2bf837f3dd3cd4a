"""Show that a soak of five minutes finds a target that leaks 1 MB a minute: `make soak-leak`.

    python tests/soak [--leak-bytes-per-min N] [--out DIR] [--duration T]

Runs configs/scenarios/soak-test.yml against a target that leaks. Exit status: 0 when the verdict names the drift, 1 when it does not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "configs" / "scenarios" / "soak-test.yml"
PASSWORD = "leaking-target-accounts"
PIPES = subprocess.PIPE


@contextmanager
def leaking_target(bytes_per_min: int) -> Iterator[str]:
    """A target that leaks, at the URL that is given, for as long as the block lasts."""
    environment = os.environ | {"PISWARM_TARGET_PASSWORD": PASSWORD}
    command = [sys.executable, str(Path(__file__).with_name("leaking_target.py")), str(bytes_per_min)]
    with subprocess.Popen(
        [*command, "--until-stdin-closes"], stdin=PIPES, stdout=PIPES, text=True, env=environment, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.stdin.close()
            process.wait(10)


def run(bytes_per_min: int, out: Path, further: Sequence[str]) -> int:
    """One run against a target that leaks; its exit status."""
    environment = os.environ | {"PISWARM_TARGET_PASSWORD": PASSWORD}
    with leaking_target(bytes_per_min) as url:
        command = [sys.executable, "-m", "master.cli", "run", str(SCENARIO), "--target", url, "--out", str(out)]
        return subprocess.run([*command, *further], env=environment, cwd=ROOT, check=False).returncode


def main() -> int:
    """Run, and hold the verdict of the soak against the leak."""
    parser = argparse.ArgumentParser(prog="python tests/soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leak-bytes-per-min", type=int, default=1_000_000)
    parser.add_argument("--duration", default="5m")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    out = given.out or Path(tempfile.mkdtemp(prefix="piswarm-soak-")) / "run"
    run(given.leak_bytes_per_min, out, ["--duration", given.duration])
    result = json.loads((out / "result.json").read_text("utf-8"))
    metric = next(row for row in result["soak"]["metrics"] if row["metric"] == "target_memory")
    named = result["soak"]["verdict"] == "drift" and metric["ok"] is False
    leaked = given.leak_bytes_per_min * 1440 / 1e6
    print(f"leaked {leaked:.0f} MB/day; {'found' if named else 'NOT found'}: {metric['message']}")  # noqa: T201
    return 0 if named else 1


if __name__ == "__main__":
    sys.exit(main())
