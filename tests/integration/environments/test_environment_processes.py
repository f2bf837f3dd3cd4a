"""Commands and processes as they are started: what they make of their environment, and what of it they refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PISWARM, ROOT

from master.environments.files import read_file
from master.environments.reference import markdown
from master.environments.variables import declared


def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing in its environment but what is named."""
    return subprocess.run(
        list(map(str, words)),
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_makes_checks_and_compares_files(tmp_path: Path) -> None:
    """From nothing to a comparison; a file has mode 0600, and no secret is printed."""
    one, two = tmp_path / "one", tmp_path / "two"
    done = [run(*PISWARM, "env", "generate", "-e", "production", "-t", "cloud", "--out", out) for out in (one, two)]
    done += [run(*PISWARM, "env", "validate", one, two), run(*PISWARM, "env", "diff", one, two)]
    assert [each.returncode for each in done] == [0, 0, 0, 1]
    secrets = [name for name, variable in declared().items() if variable.secret is not None]
    assert [line.split()[0] for line in done[-1].stdout.splitlines()[1:]] == secrets
    for file in (one, two):
        assert file.stat().st_mode & 0o777 == 0o600
        held = [read_file(file).values[name] for name in secrets]
        assert not [secret for secret in held for each in done if secret in each.stdout + each.stderr]


def test_the_command_prints_the_table_of_the_documentation() -> None:
    """`piswarm env variables --markdown` is what the page is made of."""
    assert run(*PISWARM, "env", "variables", "--markdown").stdout == markdown()


@pytest.mark.parametrize(("name", "text", "said"), [("RATE", "6", "--rate"), ("DURATION", "8", "--duration")])
def test_a_run_refuses_a_wrong_value(name: str, text: str, said: str) -> None:
    """Exit status 2, and nothing is started."""
    done = run(*PISWARM, "run", "configs/scenarios/swarm.yml", **{f"PISWARM_RUN_{name}": text})
    assert done.returncode == 2
    assert said in done.stderr
    assert f"Set in the environment: PISWARM_RUN_{name}." in done.stderr


def test_the_target_refuses_a_wrong_value_and_names_the_variable() -> None:
    """One message and exit status 2, as for an option."""
    done = run(sys.executable, "-m", "master.target", PISWARM_TARGET_VALIDATORS="99")
    assert done.returncode == 2
    assert "PISWARM_TARGET_VALIDATORS: argument --" in done.stderr


def test_variables_of_fab_are_the_defaults_of_its_tasks() -> None:
    """The real fabfile goes by each of them."""
    command = (sys.executable, "-c", "import fabfile, json; print(json.dumps(fabfile.DEFAULTS))")
    environment = {
        "PISWARM_INVENTORY": "x.yml",
        "PISWARM_FAB_STATE": "keys",
        "PISWARM_FAB_POOL": "3",
        "PISWARM_FAB_CONNECT_S": "4",
    }
    defaults, said = (json.loads(run(*command, **each).stdout) for each in ({}, environment))
    assert said == {"inventory": "x.yml", "state": "keys", "pool": 3, "connect": 4}
    declared_defaults = [each.default for each in declared().values() if each.group == "fab"]
    assert declared_defaults == [str(value) for value in defaults.values()]


def test_fab_refuses_a_wrong_value_and_names_the_variable() -> None:
    """One message and exit status 2."""
    done = run(sys.executable, "-m", "master.deploy.fab", "--list", PISWARM_FAB_POOL="many")
    text = "error: PISWARM_FAB_POOL: many is not a whole number between 1 and 1000"
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, text)


def test_an_agents_argument_wins_over_its_variable() -> None:
    """It tells which directory is not as it must be."""
    command = (sys.executable, "-m", "worker.agent.service", "/nonexistent/said")
    done = run(*command, PISWARM_AGENT_DIRECTORY="/nonexistent/of-variable")
    assert done.returncode == 1
    assert "/nonexistent/said/node.json" in done.stderr
