"""A run of a project is gone on with by another controller: what it was given stays with it, and what it reads must stay as it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from processes import PISWARM, Piswarm

TOKEN = "sesame-40c3d1f2"
LOCUSTFILE = f"""
import hashlib, os
from locust import constant, task
from worker.data import rows
from worker.http import HttpUser

TOKEN = os.environ["SHOP_TOKEN"]
KNOWN = hashlib.sha256(TOKEN.encode()).hexdigest() == "{hashlib.sha256(TOKEN.encode()).hexdigest()}"

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def page(self):
        row = rows("accounts").take()
        print("signs in with", TOKEN)
        self.client.get("/health", headers={{"Authorization": TOKEN}}, name="/known" if KNOWN else "/unknown")
"""


def files_with(text: str, folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes())


def test_a_secret_is_known_after_a_resume_and_rows_that_change_end_the_run(
    piswarm: Piswarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller is killed, and another one, where the variable is not set, goes on: users have it still, and no log shows it.

    Then the file of rows is written anew: rows of another file are given to nobody, and the run ends by name.
    """
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("user\n" + "".join(f"user{number:05}\n" for number in range(20_000)))
    scenario = piswarm.scenario(
        locustfile="own.py",
        environment=["SHOP_TOKEN"],
        data={"accounts": {"file": "accounts.csv", "use": "unique"}},
        load=[{"users": 4, "spawn_rate": 20, "hold": "60s"}],
        thresholds=["errors = 0"],
    )
    (tmp_path / "own.py").write_text(LOCUSTFILE)
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    started = piswarm.start(scenario)
    started.wait_for("stage 1 of 1, hold")
    started.process.kill()
    started.process.communicate()
    assert files_with(TOKEN, started.directory) == ["keys.json"]

    monkeypatch.delenv("SHOP_TOKEN")
    resumed = piswarm.start_by([*PISWARM, "resume", str(started.directory)], started.directory)
    resumed.wait_for("stage 1 of 1, hold")
    accounts.write_text("user\n" + 20_000 * "another\n")
    finished = resumed.finish(120)
    assert finished.status == 4, finished.output
    assert "accounts.csv was changed in mid-run" in finished.result["reason"]
    assert [endpoint["name"] for endpoint in finished.result["endpoints"]] == ["/known"]
    assert finished.result["requests"]["failed"] == 0
    assert files_with(TOKEN, started.directory) == []
    assert "signs in with [SHOP_TOKEN]" in "".join(log.read_text() for log in (started.directory / "logs").iterdir())
    assert TOKEN not in finished.output
