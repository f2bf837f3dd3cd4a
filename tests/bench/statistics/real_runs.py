"""Real runs of piswarm against targets of which one is slower than the other by a known factor."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from children import BenchError

HERE = Path(__file__).parent
PISWARM = (sys.executable, "-m", "master.cli")
SCENARIO = """\
name: pairs
target: http://127.0.0.1:9
locustfile: {locustfile}
users: {{Shopper: 1}}
load: [{{users: 40, spawn_rate: 40, hold: {seconds}s}}]
nodes: {{expect: 4, min: 4, wait: 120s}}
validity: {{controller_cpu: 100 %, node_cpu: 100 %}}
"""
"""What the controller's machine does beside is not to be the end of a bench: it is as busy in either run of a pair."""


def real_run(folder: Path, name: str, seconds: int, seed: int, factor: float) -> Path:
    """Make one run of so many steady seconds; its directory. Raises BenchError where there is no result."""
    folder.mkdir(parents=True, exist_ok=True)
    scenario, out = folder / f"{name}.yml", folder / name
    scenario.write_text(SCENARIO.format(locustfile=HERE / "shoppers.py", seconds=seconds), "utf-8")
    with _target(seed, factor) as url:
        done = subprocess.run(
            [*PISWARM, "run", str(scenario), "--target", url, "--out", str(out)],
            capture_output=True,
            text=True,
            timeout=seconds + 300,
            check=False,
        )
    if not (out / "result.json").exists():
        raise BenchError(f"{name} left no result: {done.stderr[-500:]}")
    return out


@contextlib.contextmanager
def _target(seed: int, factor: float) -> Iterator[str]:
    command = [sys.executable, str(HERE / "timed_target.py"), str(seed), str(factor)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as target:
        assert target.stdin is not None
        assert target.stdout is not None
        try:
            yield f"http://127.0.0.1:{target.stdout.readline().strip()}"
        finally:
            target.stdin.close()
