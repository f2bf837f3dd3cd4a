"""All features, and their comparison: each project runs once under either tool, both at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from feature import Feature, Outcome, observe
from features_of_events import EVENTS
from features_of_runs import RUNS
from features_of_users import USERS
from pairs import PAIRS, SOCKETIO
from runs import Pair, ParityError, Seen, run_ours, run_script, run_stock

FEATURES = [*USERS, *EVENTS, *RUNS]
SOCKETIO_SERVER = Path(__file__).with_name("socketio_server.py")


def compare(features: Sequence[Feature], tell: Callable[[str], None]) -> Iterator[Outcome]:
    """Run each project that the features need under both tools, and observe them; `tell` hears of each run."""
    for name, pair in PAIRS.items():
        wanted = [feature for feature in features if feature.pair == name]
        if not wanted:
            continue
        stock, ours = _run(pair)
        tell(f"{name}: Locust {_told(stock)}, piswarm {_told(ours)}")
        yield from (observe(feature, stock, ours) for feature in wanted)


def _told(seen: Seen | str) -> str:
    return (
        seen
        if isinstance(seen, str)
        else f"{len(seen.notes)} notes, {len(seen.requests)} requests, status {seen.status}"
    )


def _run(pair: Pair) -> tuple[Seen | str, Seen | str]:
    with tempfile.TemporaryDirectory(prefix="parity-") as folder, _servers(pair) as served:
        places = [Path(folder) / side for side in ("stock", "ours")]
        for place in places:
            place.mkdir()
        runs: list[Callable[[Pair, Path], Seen]] = [run_stock, run_ours]
        if pair.name == "single":
            runs = [lambda pair, place, side=side: run_script(pair, place, side) for side in ("stock", "ours")]
        with ThreadPoolExecutor(2) as pool:
            stock, ours = pool.map(lambda run, place: _attempt(run, served, place), runs, places)
        return stock, ours


def _attempt(run: Callable[[Pair, Path], Seen], pair: Pair, place: Path) -> Seen | str:
    try:
        return run(pair, place)
    except ParityError as error:
        return str(error)


@contextmanager
def _servers(pair: Pair) -> Iterator[Pair]:
    """Start what the project needs besides its target; yields the project that knows of it."""
    if pair.name != "socketio":
        yield pair
        return
    server = subprocess.Popen(
        [sys.executable, str(SOCKETIO_SERVER)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().decode().strip()}"
        yield replace(pair, environment={**pair.environment, SOCKETIO: url})
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
