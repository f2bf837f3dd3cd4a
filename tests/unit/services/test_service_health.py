"""From the answers of services to the health of all, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from service_files import write_all, write_services

from master.errors import InputError
from master.services.health.assessment import Asked, ServiceHealth, State, affected_by, assess, describe_unhealthy
from master.services.health.check import prepare_questions
from master.services.loader import load_services
from master.services.tree import as_json, draw_tree, summarize

WELL = Asked(healthy=True, detail="answers", answer_s=0.0012)
REFUSED = Asked(healthy=False, detail="Connection refused", answer_s=0.001)
VARIABLES = {"TEST_POSTGRESQL_URL": "postgresql://127.0.0.1:5433/x"}
ALL_WELL = dict.fromkeys(("gateway", "auth", "postgresql", "redis", "tron-payment"), WELL)


def health(
    folder: Path, answers: Mapping[str, Asked], unused: Mapping[str, str] | None = None
) -> dict[str, ServiceHealth]:
    catalogue = load_services(write_all(folder))
    return assess(catalogue.services.values(), answers, unused or {})


def states(found: Mapping[str, ServiceHealth]) -> dict[str, State]:
    return {name: each.state for name, each in found.items() if each.state is not State.HEALTHY}


def test_a_service_that_is_not_asked_is_as_healthy_as_what_it_depends_on(tmp_path: Path) -> None:
    """A database service has no address of its own, only its stores have."""
    assert states(health(tmp_path, ALL_WELL)) == {}
    found = health(tmp_path, ALL_WELL | {"postgresql": REFUSED})
    assert found["database"].state is State.AFFECTED


def test_what_depends_on_an_unhealthy_service_is_affected_and_names_it(tmp_path: Path) -> None:
    """Directly or not, and by the name of where it begins."""
    found = health(tmp_path, ALL_WELL | {"postgresql": REFUSED})
    assert states(found) == {
        "postgresql": State.UNHEALTHY,
        "database": State.AFFECTED,
        "auth": State.AFFECTED,
    }
    assert found["auth"].because == ("postgresql",)
    assert affected_by("postgresql", found) == ["database", "auth"]
    assert describe_unhealthy(found["auth"], found) == "auth (postgresql: Connection refused)"
    assert describe_unhealthy(found["postgresql"], found) == "postgresql (Connection refused)"


def test_a_service_that_is_not_used_affects_nothing(tmp_path: Path) -> None:
    """What depends on it does without."""
    found = health(tmp_path, ALL_WELL, {"postgresql": "TEST_POSTGRESQL_URL is not set"})
    assert states(found) == {"postgresql": State.UNUSED}
    assert all(each.is_well for each in found.values())


def test_the_tree_has_dependencies_below_what_depends_on_them(tmp_path: Path) -> None:
    """First come the services that nothing depends on; every service is there."""
    lines = draw_tree(health(tmp_path, ALL_WELL | {"postgresql": REFUSED}))
    assert [line[:36].rstrip() for line in lines] == [
        "! auth",
        "├─ ✓ gateway",
        "└─ ! database",
        "   ├─ ✗ postgresql",
        "   └─ ✓ redis",
        "✓ tron-payment",
    ]
    assert "Connection refused, 1 ms" in lines[3]


def test_the_summary_names_the_unhealthy_and_all_that_depends_on_it(tmp_path: Path) -> None:
    """One line says what to look at first, and what it costs."""
    (line,) = summarize(health(tmp_path, ALL_WELL | {"postgresql": REFUSED}))
    assert line == "unhealthy: postgresql: Connection refused; depends on it: database, auth"
    assert summarize(health(tmp_path, ALL_WELL)) == ["6 healthy, 0 not used"]


def test_the_document_for_programs_has_what_the_tree_has(tmp_path: Path) -> None:
    """Numbers have their unit in the key, and what is not known is null."""
    document = json.loads(json.dumps(as_json(health(tmp_path, ALL_WELL | {"postgresql": REFUSED}))))
    assert document["schema"] == "piswarm/services/1"
    assert document["healthy"] is False
    rows = {row["name"]: row for row in document["services"]}
    assert rows["postgresql"]["state"] == "unhealthy"
    assert rows["postgresql"]["affects"] == ["database", "auth"]
    assert rows["postgresql"]["answer_ms"] == 1.0
    assert rows["database"]["answer_ms"] is None
    assert rows["tron-payment"]["under_load"] is False


def test_only_services_with_an_address_and_a_check_are_asked(tmp_path: Path) -> None:
    """The URL of the target stands in for `target`, and a variable that is not set leaves its service out."""
    services = [*load_services(write_all(tmp_path)).services.values()]
    questions = prepare_questions(services, {}, "http://10.9.8.7:81")
    assert {probe.service for probe in questions.probes} == {"gateway", "auth", "redis", "tron-payment"}
    assert {probe.service: probe.address.host for probe in questions.probes}["auth"] == "10.9.8.7"
    assert questions.unused == {"postgresql": "TEST_POSTGRESQL_URL is not set"}


@pytest.mark.parametrize(
    ("variables", "target", "words"),
    [
        ({"TEST_POSTGRESQL_URL": "mysql://u:sesame@x"}, "http://x", ["TEST_POSTGRESQL_URL"]),
        ({"TEST_POSTGRESQL_URL": "http://127.0.0.1:80"}, "http://x", ["postgresql", "does not fit", "postgresql://"]),
        (VARIABLES, "postgresql://127.0.0.1/x", ["auth", "does not fit the target"]),
        (VARIABLES, "nonsense", ["auth", "nonsense"]),
    ],
)
def test_a_url_that_can_not_be_asked_is_the_operators_fault(
    tmp_path: Path, variables: dict[str, str], target: str, words: list[str]
) -> None:
    """It is named with its service before anything is asked, and no password is repeated."""
    services = [*load_services(write_all(tmp_path)).services.values()]
    with pytest.raises(InputError) as refused:
        prepare_questions(services, variables, target)
    said = f"{refused.value} {refused.value.hint}"
    assert [word for word in words if word not in said] == [], said
    assert "sesame" not in said


@pytest.mark.parametrize(
    ("security", "url", "over_tls"),
    [
        ("tls: optional", "postgresql://db.example", False),
        ("tls: required", "postgresql://db.example", True),
        ("tls: required", "postgresql://127.0.0.1", False),
        ("tls: required", "rediss://cache.example", True),
        ("tls: optional", "rediss://127.0.0.1", True),
        ("tls: required", "redis://127.0.0.1", False),
    ],
)
def test_tls_is_spoken_where_the_url_or_the_security_policy_says_so(
    tmp_path: Path, security: str, url: str, over_tls: bool
) -> None:
    """Of PostgreSQL no URL says it; a connection that stays on this machine may do without."""
    engine = "postgresql" if url.startswith("postgresql") else "redis"
    store = (
        f"{{engine: {engine}, endpoint: {{url_from: A_URL}}, health: {{probe: {engine}}}, security: {{{security}}}}}"
    )
    folder = write_services(tmp_path, stores=f"kind: database\nstores:\n  store: {store}\n")
    questions = prepare_questions([*load_services(folder).services.values()], {"A_URL": url}, "http://127.0.0.1:1")
    assert [probe.tls is not None for probe in questions.probes] == [over_tls]


def test_a_url_without_tls_is_refused_where_the_security_policy_requires_it(tmp_path: Path) -> None:
    """Also one that only the environment has."""
    store = "{engine: redis, endpoint: {url_from: A_URL}, health: {probe: redis}, security: {tls: required}}"
    folder = write_services(tmp_path, stores=f"kind: database\nstores:\n  store: {store}\n")
    with pytest.raises(InputError, match=r"redis://cache\.example:6379 is without TLS") as refused:
        prepare_questions([*load_services(folder).services.values()], {"A_URL": "redis://cache.example"}, "")
    assert "rediss://" in refused.value.hint
