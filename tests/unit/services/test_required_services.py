"""What a scenario may require, and that payment is never put under load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from service_files import write_all

from master.errors import InputError
from master.scenario import Overrides, Scenario, load_scenario
from master.services.required import resolve_required
from worker.load.locustfile.catalogue import user_classes

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "configs" / "services"
SCENARIOS = sorted([*(ROOT / "configs/scenarios").glob("*.yml"), *(ROOT / "tests/performance/scenarios").glob("*.yml")])
TEXT = """target: {target}
users: {{ApiUser: 1}}
load: [{{users: 1, spawn_rate: 1, hold: 10s}}]
require: {require}
"""


def scenario_file(folder: Path, require: str, target: str = "embedded") -> Path:
    file = folder / "scenario.yaml"
    file.write_text(TEXT.format(require=require, target=target), encoding="utf-8")
    return file


def load(file: Path) -> Scenario:
    return load_scenario(file, user_classes())


def refusal(file: Path, folder: Path, variables: dict[str, str] | None = None) -> str:
    with pytest.raises(InputError) as refused:
        resolve_required(file, load(file), folder, variables or {})
    return f"{refused.value} {refused.value.hint}"


def test_a_requirement_is_kept_in_the_scenario_as_run(tmp_path: Path) -> None:
    """What is written for `piswarm resume` reads back to the same scenario, with and without a requirement."""
    scenario = load(scenario_file(tmp_path, "[auth, database]"))
    assert scenario.require == ("auth", "database")
    for each in (scenario, load(scenario_file(tmp_path, "[]"))):
        again = tmp_path / "again.yml"
        again.write_text(each.to_yaml(), encoding="utf-8")
        assert load(again).require == each.require


@pytest.mark.parametrize(
    ("require", "words"),
    [
        ("[auth, auth]", "'auth' twice"),
        ("auth", "must be a list"),
        ("[Auth Service]", "no name of a service"),
        ("[1]", "must be text"),
    ],
)
def test_a_requirement_that_is_none_is_refused_at_its_line(tmp_path: Path, require: str, words: str) -> None:
    """Before any service file is read."""
    with pytest.raises(InputError, match=words) as refused:
        load(scenario_file(tmp_path, require))
    assert "scenario.yaml:4" in str(refused.value)


def test_what_is_required_comes_with_all_that_it_depends_on(tmp_path: Path) -> None:
    """The services that are asked are those required, and what they stand on, and no others."""
    file = scenario_file(tmp_path, "[database]")
    required = resolve_required(file, load(file), write_all(tmp_path), {})
    assert required is not None
    assert [service.name for service in required.services] == ["postgresql", "redis", "database"]


@pytest.mark.parametrize(
    ("require", "words"),
    [
        ("[auth, databse]", ["scenario.yaml:4", "require[1]", "did you mean 'database'"]),
        ("[postgresql]", ["scenario.yaml:4", "not in use", "TEST_POSTGRESQL_URL"]),
        ("[tron-payment]", ["scenario.yaml:4", "payment", "no performance test"]),
    ],
)
def test_a_service_that_can_not_be_required_is_named_at_its_line(
    tmp_path: Path, require: str, words: list[str]
) -> None:
    """One that is unknown, one that is not in use, and payment."""
    said = refusal(scenario_file(tmp_path, require), write_all(tmp_path))
    assert [word for word in words if word not in said] == [], said


def test_the_command_line_requires_services_beside_those_of_the_file(tmp_path: Path) -> None:
    """Each once; faults are named by the option, and by line where the file has the name itself."""
    folder = write_all(tmp_path)
    file = scenario_file(tmp_path, "[database]")
    scenario = load_scenario(file, user_classes(), Overrides(require=("auth", "database", "auth")))
    assert scenario.require == ("database", "auth")
    with pytest.raises(InputError, match="--require: 'Auth Service' is no name of a service"):
        load_scenario(file, user_classes(), Overrides(require=("Auth Service",)))
    with pytest.raises(InputError) as refused:
        resolve_required(file, load_scenario(file, user_classes(), Overrides(require=("atuh",))), folder, {})
    assert str(refused.value).startswith("--require: there is no service 'atuh'")
    assert "did you mean 'auth'" in str(refused.value)


def test_a_folder_that_is_not_there_matters_only_where_something_is_required(tmp_path: Path) -> None:
    """A scenario without requirements needs no description of services."""
    nowhere = tmp_path / "none"
    file = scenario_file(tmp_path, "[]")
    assert resolve_required(file, load(file), nowhere, {}) is None
    assert "no folder of services" in refusal(scenario_file(tmp_path, "[auth]"), nowhere)


@pytest.mark.parametrize(
    ("target", "variables"),
    [
        ("https://api.trongrid.io", {}),
        ("https://nile.trongrid.io.:443/wallet", {}),
        ("https://pay.example:8443/any", {}),
        ("http://PAY.example.:8443", {}),
        ("https://api%2etrongrid.io", {}),
    ],
)
def test_payment_is_never_the_target_of_a_run(tmp_path: Path, target: str, variables: dict[str, str]) -> None:
    """Whatever the path or the spelling of its address is."""
    assert "never put under load" in refusal(scenario_file(tmp_path, "[]", target), write_all(tmp_path), variables)


def test_a_payment_service_that_the_environment_names_is_known_too() -> None:
    """The shipped one has its URL from there."""
    scenario = load(ROOT / "configs" / "scenarios" / "light.yml")
    aimed = replace(scenario, target="http://127.0.0.1:8090")
    with pytest.raises(InputError, match="'tron-payment': payment is never put under load"):
        resolve_required(SCENARIOS[0], aimed, SHIPPED, {"PISWARM_TRON_URL": "http://127.0.0.1:8090"})


def test_what_a_scenario_gives_to_its_locustfile_names_no_payment(tmp_path: Path) -> None:
    """Values of its own options, and environment variables by what they are set to; each at its line."""
    file = scenario_file(tmp_path, "[]")
    plain = load(file)
    with file.open("a") as text:
        text.write(
            "arguments:\n  shop: http://127.0.0.1:8080\n  pay: [https://PAY.example:8443/x]\nenvironment: [A, B]\n"
        )
    scenario = replace(
        plain,
        arguments={"shop": "http://127.0.0.1:8080", "pay": ["https://PAY.example:8443/x"]},
        environment=("A", "B"),
    )
    with pytest.raises(InputError) as refused:
        resolve_required(file, scenario, write_all(tmp_path), {"A": "no URL", "B": "https://u:sesame@nile.trongrid.io"})
    said = str(refused.value)
    assert f"{file}:7: pay.example:8443 is the payment service 'tron-payment'" in said
    assert f"{file}:8: B is set to a public node of TRON" in said
    assert "2 places" in said
    assert "sesame" not in said


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_no_shipped_scenario_has_to_do_with_payment(file: Path) -> None:
    """None requires it, has it as its target, or stands on it."""
    scenario = load_scenario(file, user_classes(), Overrides())
    required = resolve_required(file, scenario, SHIPPED, {"PISWARM_TRON_URL": "https://nile.trongrid.io"})
    assert required is None or all(service.under_load for service in required.services)
