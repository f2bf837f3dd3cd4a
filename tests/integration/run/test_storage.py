"""A run whose disk fills up, or whose files are removed, ends in order, says so, and loses nothing that can be kept."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from processes import PISWARM, Piswarm, left_behind

from master.store import VERSION

LIMIT_S = 150


def may_mount() -> bool:
    """Whether a file system can be mounted on this machine, for some processes alone."""
    tried = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False, timeout=30)
    return tried.returncode == 0


needs_a_mount = pytest.mark.skipif(not may_mount(), reason="no file system can be mounted here, not even for oneself")


def in_small_disk(tmp_path: Path, size: str, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `script` with a disk of `size` at $disk that no other process sees; "$@" is the command of a run on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [*PISWARM, "run", *arguments, "--out", str(disk / "run")]
    begin = f'mount -t tmpfs -o size={size} tmpfs "$disk" || exit 99\n'
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", begin + script, "sh", *command],
        cwd=tmp_path,
        env={**os.environ, "disk": str(disk), "piswarm": f"{sys.executable} -m master.cli", "TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )


@needs_a_mount
def test_a_disk_that_fills_up_is_warned_of_and_ends_the_run_in_order(piswarm: Piswarm, tmp_path: Path) -> None:
    """A run whose disk fills up warns first, ends early with what to do, and is resumed where it stood once there is room."""
    scenario = piswarm.scenario(load=[{"users": 8, "spawn_rate": 20, "hold": "25s"}], nodes={"expect": 20})
    done = in_small_disk(
        tmp_path,
        "560k",
        """
        "$@" >out 2>err; echo $? >status
        ls -A "$disk/run" >files
        mount -o remount,size=60m "$disk"
        $piswarm resume "$disk/run" >out2 2>err2; echo $? >status2
        cp "$disk/run/result.json" . ; ls -A "$disk/run" >files2
        """,
        str(scenario),
    )
    assert done.returncode == 0, done.stderr
    read = lambda name: (tmp_path / name).read_text(encoding="utf-8")  # noqa: E731
    assert read("status").strip() == "4", read("out") + read("err")
    assert "WARNING: the disk of" in read("out").splitlines()[0]
    (said,) = [line for line in read("out").splitlines() if line.startswith("ABORTED")]
    assert f"the disk of {tmp_path}/disk/run is full. Make room, then go on with: piswarm resume" in said
    assert "Traceback" not in read("out") + read("err")
    assert {"run.db", "keys.json"} <= set(read("files").split())
    assert list(tmp_path.glob("piswarm-run-*/report.html")), "what found no room is elsewhere"
    assert read("status2").strip() in ("0", "3"), read("out2") + read("err2")
    result = json.loads(read("result.json"))
    assert len(result["gaps"]) == 1
    assert 15 <= result["steady_s"] <= 25
    assert "keys.json" not in read("files2").split()
    assert not left_behind(tmp_path)


@needs_a_mount
def test_a_disk_without_room_for_a_run_is_refused_and_nothing_is_left_on_it(piswarm: Piswarm, tmp_path: Path) -> None:
    """A disk on which not even the beginnings of run.db have room is wrong input, and the directory stays empty for another try."""
    done = in_small_disk(
        tmp_path, "40k", '"$@" >out 2>err; echo $? >status; ls -A "$disk/run" >files', str(piswarm.scenario())
    )
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "err").read_text(encoding="utf-8")
    assert (tmp_path / "status").read_text(encoding="utf-8").strip() == "2", said
    assert "Make room there" in said
    assert (tmp_path / "files").read_text(encoding="utf-8") == ""


@needs_a_mount
def test_a_disk_that_is_full_from_one_second_to_the_next_does_the_same(piswarm: Piswarm, tmp_path: Path) -> None:
    """A disk that another program fills up at once ends the run in order within seconds."""
    scenario = piswarm.scenario(load=[{"users": 8, "spawn_rate": 20, "hold": "10m"}])
    done = in_small_disk(
        tmp_path,
        "30m",
        """
        "$@" >out 2>err & run=$!
        until grep -q '0:1.*hold' out; do sleep 0.2; done
        head -c 100m /dev/zero >"$disk/filler" 2>/dev/null; began=$(date +%s)
        wait $run; echo $? >status; echo $(($(date +%s) - began)) >took
        ls -A "$disk/run" >files; cp "$disk/run/run.db"* .
        """,
        str(scenario),
    )
    assert done.returncode == 0, done.stderr
    read = lambda name: (tmp_path / name).read_text(encoding="utf-8")  # noqa: E731
    assert read("status").strip() == "4", read("out") + read("err")
    assert int(read("took")) < 20
    assert "is full. Make room, then go on with: piswarm resume" in read("out")
    assert "Traceback" not in read("out") + read("err")
    assert "keys.json" in read("files").split()
    with sqlite3.connect(tmp_path / "run.db") as database:
        assert database.execute("SELECT sum(total) FROM requests").fetchone()[0] > 0
    database.close()
    assert not left_behind(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "was removed in mid-run"),
        (lambda run: (run / "run.db").unlink(), "run.db was removed in mid-run"),
        (lambda run: (run / "run.db").write_bytes(b"something else altogether"), "was overwritten in mid-run"),
    ],
)
def test_what_is_taken_away_in_mid_run_is_noticed_and_said(
    piswarm: Piswarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object], words: str
) -> None:
    """A run whose directory or run.db is removed or overwritten notices it and ends in order with the reason."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    started = piswarm.start(piswarm.scenario(load=[{"users": 4, "spawn_rate": 20, "hold": "10m"}], nodes={"expect": 2}))
    started.wait_for("hold")
    family = started.family()
    spoil(started.directory)
    began_s = time.monotonic()
    finished = started.finish()
    assert time.monotonic() - began_s < 20
    assert finished.status == 4, finished.output
    assert "ABORTED" in finished.output
    assert words in finished.output
    assert "Traceback" not in finished.output
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def contents(directory: Path) -> dict[str, bytes]:
    """Return the contents of a run's files, without those that SQLite needs to read run.db."""
    files = [path for path in directory.iterdir() if path.is_file() and path.suffix not in (".db-shm", ".db-wal")]
    return {path.name: path.read_bytes() for path in files}


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _set_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()


SPOILT = {
    "cut": (_cut, "is no run.db"),
    "empty": (lambda path: path.write_bytes(b""), "not made by this version of piswarm"),
    "other": (lambda path: path.write_bytes(b"no database at all " * 500), "is no run.db"),
    "version": (_set_version, "not made by this version of piswarm"),
    "gone": (Path.unlink, "is no run directory"),
}


def test_a_resume_that_fails_changes_nothing_and_ends_no_fleet(piswarm: Piswarm, tmp_path: Path) -> None:
    """A resume that fails for a damaged run.db changes nothing and ends no fleet, so that the sound one is resumed afterwards."""
    started = piswarm.start(piswarm.scenario(load=[{"users": 4, "spawn_rate": 20, "hold": "8s"}], nodes={"expect": 2}))
    started.wait_for("hold")
    command, *family = started.family()
    # The process with the project ends with its controller, whichever that is.
    fleet = [process for process in family if "master.project.process" not in process.cmdline()]
    time.sleep(3)
    command.kill()
    started.process.communicate()
    with sqlite3.connect(started.directory / "run.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # so that the file is all there is
    database.close()
    for name, (spoil, words) in SPOILT.items():
        copy = tmp_path / name
        shutil.copytree(started.directory, copy)
        spoil(copy / "run.db")
        before = contents(copy)
        refused = piswarm.resume(copy)
        assert refused.status == 2, refused.output
        assert words in refused.output
        assert "Traceback" not in refused.output
        assert contents(copy) == before
    assert all(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in fleet)
    finished = piswarm.resume(started.directory)
    assert finished.status in (0, 3), finished.output
    assert len(finished.result["gaps"]) == 1
