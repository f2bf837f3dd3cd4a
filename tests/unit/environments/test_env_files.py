"""`piswarm env`: all environments of all templates, secrets, and every fault named at once."""

from __future__ import annotations

import json
import os
from itertools import product
from pathlib import Path

import pytest
from env_command import env

from master.environments.files import read_file
from master.environments.generate import generate
from master.environments.layers import LAYERS, merge_layers, names_of
from master.environments.variables import MAX_SUGGESTIONS, declared
from master.errors import InputError

ENVIRONMENTS = ("development", "production", "staging", "test")
TEMPLATES = ("cloud", "default", "local", "pi")
SECRETS = [each.name for each in declared().values() if each.secret is not None]


def test_the_layers_are_four_environments_and_four_templates() -> None:
    """The files that are shipped are those that the documentation names."""
    assert tuple(names_of(LAYERS)) == ENVIRONMENTS
    assert tuple(names_of(LAYERS / "templates")) == TEMPLATES


@pytest.mark.parametrize(("environment", "template"), list(product(ENVIRONMENTS, TEMPLATES)))
def test_each_generated_environment_is_valid_and_its_owners_alone(
    environment: str, template: str, tmp_path: Path
) -> None:
    """Each of the sixteen passes its own checks with mode 0600, whatever the umask."""
    out = tmp_path / "piswarm.env"
    before = os.umask(0)
    try:
        generate(environment, template, [], out)
    finally:
        os.umask(before)
    assert out.stat().st_mode & 0o777 == 0o600
    found = read_file(out)
    assert found.describe_faults() == []
    assert found.made_of == (environment, template)
    assert [each.name for each in tmp_path.iterdir()] == ["piswarm.env"]


def test_two_generations_differ_in_every_secret_and_nothing_else(tmp_path: Path) -> None:
    """Secrets are new each time; all else is the same."""
    files = [tmp_path / "one", tmp_path / "two"]
    one, two = (generate("production", "cloud", [], file) and read_file(file).values for file in files)
    assert {name for name in one if one[name] != two[name]} == set(SECRETS)
    for name in SECRETS:
        kind = declared()[name].secret
        assert kind is not None
        assert len(one[name]) == kind.length
        assert set(one[name]) <= set(kind.alphabet)


def test_the_command_generates_validates_shows_and_compares_without_a_secret(tmp_path: Path) -> None:
    """No command prints a secret, neither as a table nor as JSON."""
    one, two = tmp_path / "one", tmp_path / "two"
    said = [env("generate", "-e", "production", "-t", "cloud", "--out", one)]
    said.append(env("generate", "-e", "test", "-t", "cloud", "--json", "--out", two))
    said.append(env("validate", one, two))
    said += [env("show", one, "--origin"), env("show", one, "--origin", "--defaults", "--json")]
    assert [each.returncode for each in said] == [0] * 5
    said += [env("diff", one, two), env("diff", one, two, "--json")]
    assert [each.returncode for each in said[-2:]] == [1, 1]
    assert env("diff", one, one).returncode == 0
    secrets = [read_file(file).values[name] for file in (one, two) for name in SECRETS]
    assert not [secret for secret in secrets for each in said if secret in each.stdout + each.stderr]
    assert json.loads(said[1].stdout)["secrets_made"] == SECRETS
    shown = {each["variable"]: each for each in json.loads(said[4].stdout)["variables"]}
    assert shown["PISWARM_TARGET_HASH_MEMORY_KIB"]["origin"].startswith("production.yml:")
    assert shown["PISWARM_TARGET_CACHE_MIB"]["origin"].startswith("templates/cloud.yml:")
    assert shown["PISWARM_FAB_STATE"]["origin"].startswith("templates/default.yml:")
    assert shown["PISWARM_TARGET_PASSWORD"] == {
        "variable": "PISWARM_TARGET_PASSWORD",
        "value": "(secret)",
        "unit": None,
        "read_by": "python -m master.target, also where a run starts it",
        "origin": f"{one}:{read_file(one).assignments['PISWARM_TARGET_PASSWORD'].line}",
    }
    assert shown["PISWARM_TARGET_ALIVE_WITHIN_S"]["origin"] == "default"


def test_a_changed_value_is_shown_as_the_files_own(tmp_path: Path) -> None:
    """What the operator set, or changed later, is from the file itself."""
    out = tmp_path / "one"
    generate("test", "default", ["PISWARM_TARGET_PORT=8081"], out)
    shown = json.loads(env("show", out, "--origin", "--json").stdout)["variables"]
    origins = {each["variable"]: each["origin"] for each in shown}
    assert origins["PISWARM_TARGET_PORT"] == f"{out}:{read_file(out).assignments['PISWARM_TARGET_PORT'].line}"


def test_a_file_is_replaced_only_on_demand_and_keeps_its_secrets(tmp_path: Path) -> None:
    """--force keeps secrets, --rotate makes new ones, and without either nothing is touched."""
    out = tmp_path / "piswarm.env"
    generate("test", "default", [], out)
    first = out.read_text()
    refused = env("generate", "-e", "production", "--out", out)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert out.read_text() == first
    password = read_file(out).values["PISWARM_TARGET_PASSWORD"]
    assert env("generate", "-e", "production", "--out", out, "--force").returncode == 0
    assert read_file(out).made_of == ("production", "default")
    assert read_file(out).values["PISWARM_TARGET_PASSWORD"] == password
    assert env("generate", "-e", "production", "--out", out, "--rotate").returncode == 0
    assert read_file(out).values["PISWARM_TARGET_PASSWORD"] != password
    assert out.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_can_not_be_read_is_not_lost(tmp_path: Path) -> None:
    """--force does not replace a file whose secrets it can't keep."""
    out = tmp_path / "piswarm.env"
    out.write_text("PISWARM_TARGET_PASSWORD=short\n")
    out.chmod(0o600)
    with pytest.raises(InputError, match=r"piswarm.env:1: PISWARM_TARGET_PASSWORD: has 5 characters"):
        generate("test", "default", [], out, force=True)
    assert out.read_text() == "PISWARM_TARGET_PASSWORD=short\n"


def test_a_secret_without_a_place_in_the_new_file_is_not_lost(tmp_path: Path) -> None:
    """--force gives up no secret: not for a template that has none of that name, nor for a file of fewer groups."""
    out = tmp_path / "piswarm.env"
    generate("test", "cloud", [], out)
    before = out.read_text()
    with pytest.raises(InputError, match="would have no PGPASSWORD, PISWARM_TARGET_REDIS_PASSWORD"):
        generate("test", "default", [], out, force=True)
    with pytest.raises(InputError, match="would have no PGPASSWORD, PISWARM_TARGET_PASSWORD"):
        generate("test", "cloud", [], out, only=["agent"], force=True)
    assert out.read_text() == before


def test_a_file_for_nodes_has_the_agents_variables_alone(tmp_path: Path) -> None:
    """What --only leaves out is not in the file, so that no secret of a target gets to a node; what is left is valid."""
    for environment, template in product(ENVIRONMENTS, TEMPLATES):
        out = tmp_path / f"{environment}-{template}.env"
        done = generate(environment, template, ["PISWARM_AGENT_STATE_FOLDER=/x"], out, only=["agent"])
        found = read_file(out)
        assert found.describe_faults() == []
        assert found.values == {
            "PISWARM_AGENT_DIRECTORY": done.settings["PISWARM_AGENT_DIRECTORY"].value,
            "PISWARM_AGENT_STATE_FOLDER": "/x",
        }
        assert done.made == ()


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """A link in the file's place, also one that leads nowhere, counts as a file that is there."""
    out, other = tmp_path / "piswarm.env", tmp_path / "other"
    out.symlink_to(other)
    with pytest.raises(InputError, match="is there already"):
        generate("test", "default", [], out)
    assert not other.exists()


def test_all_faults_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    """Each with its file and line; a value of a secret is not repeated."""
    file = tmp_path / "broken.env"
    file.write_text(
        "PISWARM_TARGET_PROT=1\n"
        "PISWARM_TARGET_PORT=65536\n"
        "PISWARM_TARGET_PASSWORD=hush-hush\n"
        "PISWARM_TARGET_DURABILITY=never\n"
        "PISWARM_TARGET_LOCKOUT_S=a while\n"
        "PISWARM_RUN_RATE=5\n"
        "PISWARM_TARGET_RATE_LIMIT_PER_S=0.001\n"
        "PISWARM_TARGET_REDIS=redis://:hunter2@localhost\n"
        "PISWARM_RUN_PORT=99\n"
        "PISWARM_RUN_METRICS_PORT=99\n"
    )
    file.chmod(0o640)
    done = env("validate", file, tmp_path / "none")
    assert done.returncode == 2
    rows = done.stderr.splitlines()
    assert rows[0] == "piswarm: 11 faults"
    for row, (line, text) in zip(
        rows[1:],
        [
            ("", "others can read or change it (mode 0640)"),
            (":1", "PISWARM_TARGET_PROT: no variable that piswarm reads; did you mean 'PISWARM_TARGET_PORT'?"),
            (":2", "PISWARM_TARGET_PORT: should be less than or equal to 65535"),
            (":3", "PISWARM_TARGET_PASSWORD: has 9 characters"),
            (":4", "PISWARM_TARGET_DURABILITY: should be 'process' or 'power'"),
            (":5", "PISWARM_TARGET_LOCKOUT_S: is read differently"),
            (":6", "PISWARM_RUN_RATE: 5 has no unit"),
            (":7", "PISWARM_TARGET_RATE_LIMIT_PER_S: is neither 0 nor 0.01 or more"),
            (":8", "PISWARM_TARGET_REDIS: holds a password"),
            (":10", "PISWARM_RUN_METRICS_PORT: is the port of PISWARM_RUN_PORT"),
        ],
        strict=False,
    ):
        assert row.startswith(f"  {file}{line}: {text}")
    assert f"  {tmp_path / 'none'}: no such file" in rows
    assert "hush" not in done.stderr
    assert "hunter2" not in done.stderr


def test_each_wrong_name_of_many_is_told_and_only_so_many_have_a_suggestion(tmp_path: Path) -> None:
    """Finding the nearest name takes a while, and a file with hundreds of wrong ones is of something else."""
    file = tmp_path / "other.env"
    file.write_text("".join(f"PISWARM_TARGET_PORT{number}=1\n" for number in range(3 * MAX_SUGGESTIONS)))
    file.chmod(0o600)
    faults = read_file(file).faults
    assert [fault.line for fault in faults] == list(range(1, 3 * MAX_SUGGESTIONS + 1))
    assert [("did you mean" in fault.text) for fault in faults] == [True] * MAX_SUGGESTIONS + [
        False
    ] * 2 * MAX_SUGGESTIONS


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-e", "prodution"], "did you mean 'production'?"),
        (["-e", "test", "-t", "clod"], "did you mean 'cloud'?"),
        (["-e", "test", "--set", "PISWARM_RUN_USER=5"], "did you mean 'PISWARM_RUN_USERS'?"),
        (["-e", "test", "--set", "PISWARM_RUN_USERS=0"], "greater than or equal to 1"),
        (["-e", "test", "--set", "PISWARM_RUN_USERS"], "write NAME=VALUE"),
        (["-e", "test", "--set", "PISWARM_TARGET_PASSWORD=hush-hush-hush"], "a secret on a command line"),
        (["-e", "test", "--set", "PISWARM_RUN_OUT=a\nb"], "can't be printed"),
    ],
)
def test_bad_input_is_named_with_what_is_near_and_nothing_is_written(
    words: list[str], text: str, tmp_path: Path
) -> None:
    """Exit status 2, and no file."""
    done = env("generate", *words, "--out", tmp_path / "out.env")
    assert done.returncode == 2
    assert text in done.stderr
    assert "hush" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_faults_of_a_command_line_are_named_at_once(tmp_path: Path) -> None:
    """Environment, template, groups and values that are wrong are told together, and nothing is written."""
    wrong = ["--set", "PISWARM_RUN_USERS=0", "--set", "PISWARM_RUN_RATE=5", "--set", "PISWARM_RUN_USER=5"]
    done = env("generate", "-e", "prod", "-t", "clod", *wrong, "--only", "rnu", "--out", tmp_path / "out.env")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "piswarm: 6 faults"
    for row in (
        "'clod' is no template; did you mean 'cloud'? (there are cloud, default, local, pi)",
        "'prod' is no environment; did you mean 'production'? (there are development, production, staging, test)",
        "--set PISWARM_RUN_USER: no variable that piswarm reads; did you mean 'PISWARM_RUN_USERS'?",
        "--only rnu: no group; did you mean 'run'? (there are run, services, fab, agent, target, libpq)",
        "--set: PISWARM_RUN_USERS: should be greater than or equal to 1",
        "--set: PISWARM_RUN_RATE: 5 has no unit",
    ):
        assert f"  {row}" in done.stderr
    done = env("generate", "-e", "test", *wrong[:2], "--only", "agent", "--out", tmp_path / "out.env")
    assert "--set PISWARM_RUN_USERS: run is not what --only names" in done.stderr
    assert list(tmp_path.iterdir()) == []


def layers(folder: Path, default: str, template: str, environment: str) -> Path:
    """Make layers of one's own."""
    (folder / "templates").mkdir()
    (folder / "templates/default.yml").write_text(default)
    (folder / "templates/mine.yml").write_text(template)
    (folder / "lab.yml").write_text(environment)
    return folder


def test_layers_are_merged_deep_with_the_origin_of_each_value(tmp_path: Path) -> None:
    """A later layer replaces values alone, and leaves what it does not name."""
    folder = layers(
        tmp_path,
        "target:\n  port: 1\n  host: a\n  validators: 4\nrun:\n  users: 1\n",
        "target:\n  port: 2\n  host: b\n",
        "target:\n  port: 3\n",
    )
    found = {name: (each.value, each.origin) for name, each in merge_layers("lab", "mine", folder)[0].items()}
    assert found == {
        "PISWARM_RUN_USERS": ("1", "templates/default.yml:6"),
        "PISWARM_TARGET_HOST": ("b", "templates/mine.yml:3"),
        "PISWARM_TARGET_PORT": ("3", "lab.yml:2"),
        "PISWARM_TARGET_VALIDATORS": ("4", "templates/default.yml:4"),
    }


def test_all_faults_of_the_layers_are_named_at_once(tmp_path: Path) -> None:
    """A list over a map, a value over a map, a map over a value, an unknown key, a secret: each with its file and line."""
    folder = layers(
        tmp_path,
        "target:\n  port: 1\n",
        "target:\n- port\nrun: 5\nfab:\n  pool: {a: 1}\n",
        "target:\n  prot: 3\n  password: hush-hush-hush\n  port: [1]\n",
    )
    done = env("generate", "-e", "lab", "-t", "mine", "--layers", folder, "--out", tmp_path / "out.env")
    assert done.returncode == 2
    for row in (
        "mine.yml:1: target: a list can't be merged into a map",
        "mine.yml:3: run: a value can't be merged into a map",
        "mine.yml:5: fab.pool: a map can't be merged into a value",
        "lab.yml:2: target.prot: no variable or group of them; did you mean 'target.port'?",
        "lab.yml:3: target.password: a secret does not belong into a layer: write generate",
        "lab.yml:4: target.port: a list can't be merged into a value",
    ):
        assert row in done.stderr
    assert "hush" not in done.stderr
    assert not (tmp_path / "out.env").exists()


def test_what_is_no_text_is_named_once_with_its_line(tmp_path: Path) -> None:
    """The file and the line stand before the fault, and not in it, too."""
    file = tmp_path / "binary.env"
    file.write_bytes(b"PISWARM_FAB_POOL=3\n\xff\n")
    file.chmod(0o600)
    assert read_file(file).describe_faults() == [f"{file}:2: is not UTF-8 text"]


def test_a_pipe_is_not_taken_for_a_file_to_replace(tmp_path: Path) -> None:
    """As /dev/stdout may be one: another file would be put in its place, with the secrets in it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is no file, and would be replaced"):
        generate("test", "pi", [], pipe, rotate=True)
    assert pipe.is_fifo()
