"""Each declared variable is one that a process reads, with the default that is declared; an option wins over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
from env_command import ROOT

from master.cli import app
from master.deploy.environment import VARIABLES as FAB_VARIABLES
from master.environments.variables import Variable, check_values, declared
from master.services.health.check import prepare_questions
from master.services.loader import load_services
from master.target.process.password import PASSWORD_VARIABLE, REDIS_PASSWORD_VARIABLE
from master.target.settings import create_parser, parse_settings
from worker.agent.calibration import state_folder
from worker.agent.settings import DIRECTORY_VARIABLE, find_directory

TARGET = {
    "HOST": ("127.0.0.9", "127.0.0.9"),
    "PORT": ("8123", 8123),
    "DATABASE": ("x.db", "x.db"),
    "REDIS": ("redis://localhost/3", "redis://localhost/3"),
    "KEY_FILE": ("x.key", Path("x.key")),
    "DURABILITY": ("power", "power"),
    "PASSWORD_FILE": ("x.password", Path("x.password")),
    "TOKEN_LIFETIME_S": ("61", 61),
    "REFRESH_LIFETIME_S": ("62", 62),
    "HASH_MEMORY_KIB": ("16", 16),
    "HASH_PASSES": ("3", 3),
    "LOCKOUT_FAILURES": ("7", 7),
    "LOCKOUT_ADDRESS_FAILURES": ("9", 9),
    "LOCKOUT_S": ("8.5", 8.5),
    "OUTLIVE_S": ("9.5", 9.5),
    "ALIVE_WITHIN_S": ("4.5", 4.5),
    "RDP_PORTS": ("30000-30010", (30_000, 30_010)),
    "RDP_SERVERS": ("11", 11),
    "BLOCK_TIME_S": ("0.5", 0.5),
    "VALIDATORS": ("5", 5),
    "RATE_LIMIT_PER_S": ("12.5", 12.5),
    "CACHE_MIB": ("13", 13),
    "CACHE_TTL_S": ("14.5", 14.5),
}
"""A value of each variable of the target, and what its process makes of it."""
RUN = {
    "TARGET": ("http://127.0.0.1:81", "http://127.0.0.1:81"),
    "LOCAL": ("3", 3),
    "INVENTORY": ("lab.yml", Path("lab.yml")),
    "USERS": ("5", 5),
    "RATE": ("6/s", "6/s"),
    "MAX_USERS": ("7", 7),
    "DURATION": ("8s", "8s"),
    "OUT": ("there", Path("there")),
    "BASELINE": ("before", Path("before")),
    "LISTEN": ("127.0.0.9", "127.0.0.9"),
    "PORT": ("9001", 9001),
    "METRICS_PORT": ("9002", 9002),
    "WEB": ("true", True),
    "WEB_PORT": ("9003", 9003),
    "METRICS_OTLP": ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
    "SUMMARY": ("summary.md", Path("summary.md")),
    "SEPARATE": ("true", True),
    "REQUIRE": ("auth-service database", ["auth-service", "database"]),
    "SERVICES": ("services", Path("services")),
}
SERVICES = {
    "POSTGRESQL": "postgresql://piswarm@127.0.0.1:1/piswarm",
    "REDIS": "redis://127.0.0.1:2",
    "MONGODB": "mongodb://127.0.0.1:3",
    "ELASTICSEARCH": "http://127.0.0.1:4",
    "TRON": "http://127.0.0.1:5",
}
"""A URL of each shipped service that has it from the environment."""
OF_REAL_NODES = {"LIMIT": ("rack_a", "rack_a"), "STATE": ("keys", Path("keys"))}
ELSEWHERE = {PASSWORD_VARIABLE, REDIS_PASSWORD_VARIABLE, "PGPASSWORD"}
"""Variables of the target that are no options: tests/integration/environments shows their effects."""


def of_group(group: str) -> list[Variable]:
    return [each for each in declared().values() if each.group == group]


def options_of_run(*words: str) -> dict[str, Any]:
    """Return what the real command line of `piswarm run` makes of these words and the environment."""
    run = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    found: dict[str, Any] = run.make_context("run", ["scenario.yml", *words]).params
    return found


def test_there_are_forty_and_more_and_each_is_described() -> None:
    """Every variable says what it is for and who reads it."""
    assert len(declared()) >= 40
    assert not [each for each in declared().values() if not (each.description and each.reader and each.kind)]


def test_the_declared_variables_are_those_that_are_read() -> None:
    """No variable is declared that nobody reads, and none is read that is not declared."""
    read = {f"PISWARM_TARGET_{name}" for name in TARGET} | {f"PISWARM_RUN_{name}" for name in [*RUN, *OF_REAL_NODES]}
    read |= {f"PISWARM_{name}_URL" for name in SERVICES}
    read |= {*FAB_VARIABLES.values(), DIRECTORY_VARIABLE, "PISWARM_AGENT_STATE_FOLDER", *ELSEWHERE}
    assert set(declared()) == read
    assert {f"PISWARM_TARGET_{name}" for name in TARGET} == set(create_parser().variables)
    named = {f"PISWARM_RUN_{name.upper()}" for name in options_of_run()} - {
        "PISWARM_RUN_SCENARIO",
        "PISWARM_RUN_HOST",
        "PISWARM_RUN_CHECK",  # nothing that a place could ask for
        "PISWARM_RUN_LOCUSTFILE",  # of Locust's names, which have variables of Locust's
    }
    assert named == {each.name for each in of_group("run")}


def test_declared_defaults_are_those_of_the_target() -> None:
    """What is declared as a default is what the target takes where nothing is said."""
    defaults = vars(create_parser().parse_args([]))
    for variable in of_group("target"):
        if variable.field in defaults:
            found = defaults[variable.field]
            shown = (
                None
                if found is None
                else f"{found:g}"
                if isinstance(found, float)
                else str(getattr(found, "value", found))
            )
            assert variable.default == shown, variable.name


def test_declared_defaults_are_those_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is declared as a default is what `piswarm run` takes where nothing is said."""
    for variable in of_group("run"):
        monkeypatch.delenv(variable.name, raising=False)
        found = options_of_run()[variable.field]
        # An option that may be said several times is empty where it is not said.
        assert variable.default == (None if found in {None, ()} else str(found).lower()), variable.name


@pytest.mark.parametrize("name", TARGET)
def test_a_variable_of_the_target_has_its_effect_and_the_option_wins(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set, it is what the process goes by; an option of the command line takes its place; empty, it is unset."""
    text, meant = TARGET[name]
    variable = f"PISWARM_TARGET_{name}"
    assert check_values({variable: text}) == {}
    before = getattr(parse_settings([]), name.lower())
    monkeypatch.setenv(variable, text)
    assert getattr(parse_settings([]), name.lower()) == meant != before
    option = create_parser().variables[variable]
    other = {"HOST": "::1", "DURABILITY": "process", "RDP_PORTS": "0"}.get(name, "1")
    won = getattr(parse_settings([f"{option}={other}"]), name.lower())
    assert won == getattr(create_parser().parse_args([f"{option}={other}"]), name.lower()) != meant
    monkeypatch.setenv(variable, "")
    assert getattr(parse_settings([]), name.lower()) == before


@pytest.mark.parametrize(
    "variable", [each for each in of_group("target") if each.least is not None], ids=lambda each: each.name
)
def test_the_target_takes_both_ends_of_each_declared_range(variable: Variable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is valid is never refused by the process that reads it."""
    for end in (variable.least, variable.most):
        text = f"{end:.12g}"
        assert check_values({variable.name: text}) == {}
        monkeypatch.setenv(variable.name, text)
        assert getattr(parse_settings([]), variable.field) == end


@pytest.mark.parametrize(
    ("name", "text"), [("PORT", "65536"), ("VALIDATORS", "99"), ("DURABILITY", "never"), ("LOCKOUT_S", "x")]
)
def test_the_target_refuses_a_wrong_value_and_names_the_variable(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message and exit status 2, as for an option."""
    variable = f"PISWARM_TARGET_{name}"
    monkeypatch.setenv(variable, text)
    with pytest.raises(SystemExit, match="2"):
        parse_settings([])
    assert f"{variable}: argument --" in capsys.readouterr().err
    assert check_values({variable: text})


@pytest.mark.parametrize("name", RUN)
def test_a_variable_of_a_run_has_its_effect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real command line takes it where no option is said; empty, it is unset."""
    text, meant = RUN[name]
    variable = f"PISWARM_RUN_{name}"
    assert check_values({variable: text}) == {}
    before = options_of_run()[name.lower()]
    monkeypatch.setenv(variable, text)
    assert options_of_run()[name.lower()] == meant != before
    monkeypatch.setenv(variable, "")
    assert options_of_run()[name.lower()] == before


@pytest.mark.parametrize("name", OF_REAL_NODES)
def test_a_variable_of_real_nodes_counts_with_an_inventory_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside simulated nodes, where the option would be refused, the variable is left aside."""
    text, meant = OF_REAL_NODES[name]
    before = options_of_run()[name.lower()]
    monkeypatch.setenv(f"PISWARM_RUN_{name}", text)
    assert options_of_run("--inventory", "lab.yml")[name.lower()] == meant
    assert options_of_run()[name.lower()] == before


def test_an_option_of_a_run_wins_over_its_variable_and_over_those_it_excludes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said now counts more than what is said for all runs."""
    for name in ("LOCAL", "INVENTORY", "TARGET", "PORT"):
        monkeypatch.setenv(f"PISWARM_RUN_{name}", RUN[name][0])
    found = options_of_run("--local", "9", "--host", "http://127.0.0.1:82", "--port", "0")
    assert (found["local"], found["inventory"], found["port"]) == (9, None, 0)
    assert (found["target"], found["host"]) == (None, "http://127.0.0.1:82")
    found = options_of_run("--inventory", "other.yml")
    assert (found["local"], found["inventory"]) == (None, Path("other.yml"))


@pytest.mark.parametrize(("name", "text"), [("METRICS_PORT", "70000"), ("USERS", "x")])
def test_a_run_refuses_a_wrong_value(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would refuse the option's, and the variable is named."""
    monkeypatch.setenv(f"PISWARM_RUN_{name}", text)
    with pytest.raises(typer.BadParameter) as refused:
        options_of_run()
    assert f"PISWARM_RUN_{name}" in refused.value.format_message()


@pytest.mark.parametrize("name", SERVICES)
def test_a_variable_of_a_service_says_where_it_is_asked(name: str) -> None:
    """Without it the service is not used; a file may not have a password in it, which `env show` would print."""
    variable, url = f"PISWARM_{name}_URL", SERVICES[name]
    services = [*load_services(ROOT / "configs" / "services").services.values()]
    assert {service.variable for service in services} - {None} == {f"PISWARM_{each}_URL" for each in SERVICES}
    without, given = (
        prepare_questions(services, variables, "http://127.0.0.1:9") for variables in ({}, {variable: url})
    )
    (added,) = {probe.address.shown for probe in given.probes} - {probe.address.shown for probe in without.probes}
    assert added == url.replace("piswarm@", "")
    assert check_values({variable: url}) == {}
    (fault,) = check_values({variable: url.replace("://", "://piswarm:sesame@").replace("piswarm@1", "1")})[variable]
    assert "holds a password" in fault
    assert "sesame" not in fault


def test_the_agent_has_its_directory_from_its_argument_or_else_the_variable() -> None:
    """The argument wins; an empty variable is unset."""
    environment = {DIRECTORY_VARIABLE: "/of/variable"}
    assert find_directory([], environment) == Path("/of/variable")
    assert find_directory(["/said"], environment) == Path("/said")
    assert find_directory([], {DIRECTORY_VARIABLE: ""}) is None


def test_the_agents_state_folder_is_the_operators_choice_first() -> None:
    """It wins over systemd's and the user's."""
    environment = {"STATE_DIRECTORY": "/var/lib/piswarm", "XDG_STATE_HOME": "/x"}
    assert state_folder(environment) == Path("/var/lib/piswarm")
    assert state_folder(environment | {"PISWARM_AGENT_STATE_FOLDER": "/mine"}) == Path("/mine")
