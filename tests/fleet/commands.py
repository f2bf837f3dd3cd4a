"""An operator at a lab, with a copy of piswarm that can be changed to make other releases, and `fab` called in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs import Lab
from rootfs import cache

ROOT = Path(__file__).parents[2]
LIMIT_S = 900


@dataclass
class Operator:
    """An operator who deploys to `lab`, from a copy of this piswarm in `directory`."""

    lab: Lab
    directory: Path

    def __post_init__(self) -> None:
        for name in ("master", "worker", "ansible"):
            shutil.copytree(ROOT / name, self.directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("fabfile.py", *(path.name for path in ROOT.glob("requirements-node*.lock"))):
            shutil.copy(ROOT / name, self.directory / name)
        self.state.mkdir(mode=0o700)
        kept = cache() / "releases"  # for their wheels, which come from afar
        kept.mkdir(exist_ok=True)
        (self.state / "cache").symlink_to(kept)

    @property
    def state(self) -> Path:
        return self.directory / ".piswarm"

    def change(self, module: str, text: str) -> None:
        """Add `text` to a module of the worker's, which makes another release from now on."""
        with (self.directory / "worker" / module).open("a") as source:
            source.write(text)

    def restore(self, module: str) -> None:
        shutil.copy(ROOT / "worker" / module, self.directory / "worker" / module)

    def pad(self, size: int) -> None:
        """Make the release larger by so many bytes, which can't be compressed."""
        (self.directory / "worker" / "padding.bin").write_bytes(os.urandom(size))

    def begin(self, task: str, *words: str) -> subprocess.Popen[str]:
        """Start `fab` without waiting for it."""
        where = ["--inventory", str(self.lab.inventory), "--state", str(self.state)]
        path = os.pathsep.join([str(self.directory), *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.Popen(
            [sys.executable, "-m", "fabric", task, *words, *where],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fab(self, task: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Return what `fab` printed, and how it ended."""
        process = self.begin(task, *words)
        try:
            output, errors = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def done(self, task: str, *words: str) -> str:
        """Return what `fab` printed, which must have succeeded."""
        done = self.fab(task, *words)
        assert done.returncode == 0, f"fab {task}: {done.stdout[-5000:]}{done.stderr[-3000:]}"
        return done.stdout

    def report(self, task: str, *words: str) -> dict[str, Any]:
        """Return what `fab` printed as JSON, its hosts by their names."""
        return report_of(*self._both(task, *words))

    def _both(self, task: str, *words: str) -> tuple[str, str]:
        done = self.fab(task, "--json", *words)
        return done.stdout, done.stderr


def report_of(output: str, errors: str) -> dict[str, Any]:
    """Return a report with its hosts by their names."""
    assert output, errors
    found: dict[str, Any] = json.loads(output)
    found["hosts"] = {host["host"]: host for host in found["hosts"]}
    return found
