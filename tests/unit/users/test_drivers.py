"""Missing drivers of databases are named at once with the extra that has them, and everything else runs without them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from worker.users.database.drivers import MissingDriverError, import_driver, import_drivers

ROOT = Path(__file__).parents[3]
# A finder that comes first and has none of the drivers, as on a node that has the plain dependencies alone.
WITHOUT_DRIVERS = """
import sys
from importlib.abc import MetaPathFinder

class NoDrivers(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {"psycopg", "psycopg_pool", "redis", "pymongo"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoDrivers())
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `code` where no driver can be imported."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_DRIVERS + code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_driver_that_is_there_is_imported() -> None:
    assert import_driver("sqlite3").__name__ == "sqlite3"


def test_a_missing_driver_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(MissingDriverError, match=r"no_such_driver is not installed here .*piswarm\[database\]"):
        import_driver("no_such_driver")


def test_user_classes_without_drivers_ask_for_none() -> None:
    class Plain:
        pass

    class Picky:
        drivers = ("no_such_driver",)

    import_drivers([Plain])
    with pytest.raises(MissingDriverError):
        import_drivers([Plain, Picky])


def test_all_user_classes_are_known_where_no_driver_is_installed() -> None:
    answer = python(
        "from worker.load.locustfile.catalogue import user_classes; import json; print(json.dumps(sorted(user_classes())))"
    )
    assert answer.returncode == 0, answer.stderr
    assert {"ApiUser", "SqliteUser", "PostgresUser", "RedisUser", "MongoUser"} <= set(json.loads(answer.stdout))


@pytest.mark.parametrize(
    ("user", "scheme", "driver"),
    [
        ("PostgresUser", "postgresql", "psycopg"),
        ("RedisUser", "redis", "redis"),
        ("MongoUser", "mongodb", "pymongo"),
    ],
)
def test_a_run_with_simulated_nodes_refuses_users_whose_driver_is_missing(
    tmp_path: Path, user: str, scheme: str, driver: str
) -> None:
    """Users whose driver is missing are refused by a run with simulated nodes before anything is started."""
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(
        f"target: {scheme}://127.0.0.1:1\nusers: {{{user}: 1}}\nload: [{{users: 1, spawn_rate: 1, hold: 5s}}]\n"
    )
    code = "from master.cli import main; sys.argv[0] = 'piswarm'; sys.exit(main())"
    answer = python(code, "run", str(scenario), "--out", str(tmp_path / "run"))
    assert answer.returncode == 2, answer.stderr
    assert f"{driver} is not installed here" in answer.stderr
    assert "piswarm[database]" in answer.stderr
    assert not (tmp_path / "run").exists()
