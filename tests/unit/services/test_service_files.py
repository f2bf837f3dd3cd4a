"""Service files: what is read, and that each fault is named with its file, its line and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from service_files import AUTH, DATABASE, GATEWAY, PAYMENT, write_all, write_services

from master.errors import ExitCode, InputError
from master.services.loader import load_services
from master.services.schema import AuthShape, DatabaseShape, PaymentShape
from master.target.auth.authority import AuthSettings

ROOT = Path(__file__).parents[3]


def faults_of(folder: Path) -> str:
    with pytest.raises(InputError) as refused:
        load_services(folder)
    assert refused.value.exit_code == ExitCode.INPUT
    return str(refused.value)


def test_services_come_in_the_order_of_what_they_depend_on(tmp_path: Path) -> None:
    """The stores of a database are services of their own, before it."""
    catalogue = load_services(write_all(tmp_path))
    order = list(catalogue.services)
    for name, service in catalogue.services.items():
        assert all(order.index(other) < order.index(name) for other in service.depends_on), name
    assert catalogue.services["database"].depends_on == ("postgresql", "redis")
    assert [service.name for service in catalogue.closure(["database"])] == ["postgresql", "redis", "database"]
    assert [service.name for service in catalogue.services.values() if not service.under_load] == ["tron-payment"]


@pytest.mark.parametrize(
    ("stem", "text", "words"),
    [
        (
            "gateway",
            GATEWAY.replace("endpoint", "endpont"),
            ["gateway.yml:2", "unknown key", "did you mean 'endpoint'"],
        ),
        ("gateway", GATEWAY.replace("path:", "pth:"), ["gateway.yml:3", "health.pth", "did you mean 'path'"]),
        ("gateway", GATEWAY.replace("probe: http", "probe: htp"), ["gateway.yml:3", "'htp'", "did you mean 'http'"]),
        ("gateway", GATEWAY.replace("probe: http,", "probe: tcp,"), ["gateway.yml:3", "path", "for probe http"]),
        ("gateway", GATEWAY.replace("http, path: /health", "redis"), ["gateway.yml:3", "does not fit", "http://"]),
        ("gateway", GATEWAY.replace("gateway", "gatway"), ["gateway.yml:1", "'gatway'", "did you mean 'gateway'"]),
        ("gateway", "endpoint: {url: target}\n", ["gateway.yml:1", "kind", "required"]),
        ("gateway", GATEWAY + "name: other\n", ["gateway.yml:4", "'other'", "'gateway'"]),
        ("gateway", GATEWAY + "depends_on: [databse]\n", ["gateway.yml:4", "'databse'", "did you mean 'database'"]),
        ("gateway", GATEWAY + "depends_on: [tron-payment]\n", ["gateway.yml:4", "payment", "under load"]),
        ("gateway", GATEWAY.replace("http://127", "htp://127"), ["gateway.yml:2", "did you mean 'http'"]),
        ("gateway", GATEWAY.replace("url:", "url_from: A_URL, url:"), ["gateway.yml:2", "one of url and url_from"]),
        ("gateway", GATEWAY + "limits: {connections: 0}\n", ["gateway.yml:4", "limits.connections", "at least 1"]),
        ("gateway", GATEWAY + "limits: {rate: 5}\n", ["gateway.yml:4", "limits.rate", "unit"]),
        ("gateway", "kind: gateway\nhealth: {probe: http}\n", ["gateway.yml:2", "no endpoint"]),
        ("gateway", "kind: [", ["gateway.yml:1", "not YAML"]),
        (
            "gateway",
            GATEWAY.replace("http://", "https://") + "security: {ca_file: none.pem}\n",
            ["gateway.yml:4", "security.ca_file", "none.pem is no file"],
        ),
        (
            "gateway",
            GATEWAY.replace("http://", "https://") + "security: {ca_file: gateway.yml}\n",
            ["gateway.yml:4", "security.ca_file", "has no certificate in it"],
        ),
        ("gateway", GATEWAY + "security: {ca_file: a.pem}\n", ["gateway.yml:4", "ca_file is for https://", "http://"]),
        (
            "database",
            DATABASE.replace("127.0.0.1:6379'}\n", "db.example:6379'}\n    security: {tls: required}\n"),
            ["database.yml:10", "the endpoint is redis://: write rediss://"],
        ),
        ("auth", AUTH.replace("HS256", "none"), ["auth.yml:5", "jwt.algorithm", "'none'", "HS256"]),
        ("auth", AUTH.replace("1d}", "1m}"), ["auth.yml:5", "refresh_lifetime", "less than token_lifetime"]),
        ("auth", AUTH.replace("argon2id", "md5"), ["auth.yml:6", "must be argon2id", "'md5'"]),
        ("database", DATABASE.replace("engine: redis", "engine: reddis"), ["database.yml:8", "did you mean 'redis'"]),
        ("database", DATABASE.replace("timeout: 200ms", "timeout: 200"), ["database.yml:10", "no unit"]),
        ("database", DATABASE.replace("  redis:\n", "  gateway:\n"), ["'gateway'", "too", "database.yml:7"]),
        ("tron_payment", PAYMENT.replace("VkAeBf", "VkAeBg"), ["tron-payment.yml:6", "contract.address", "checksum"]),
        ("tron_payment", PAYMENT.replace("30000000}", "30.5}"), ["tron-payment.yml:7", "whole number of sun"]),
        ("tron_payment", PAYMENT.replace("30000000}", "300000000}"), ["tron-payment.yml:7", "more than max_sun"]),
        ("tron_payment", PAYMENT.replace("nile", "nyle"), ["tron-payment.yml:5", "did you mean 'nile'"]),
        ("tron_payment", PAYMENT.replace("pay.example:8443", "api.trongrid.io"), ["tron-payment.yml:5", "of mainnet"]),
        ("tron_payment", PAYMENT.replace("load: never\n", ""), ["load", "required", "never put under load"]),
        ("tron_payment", PAYMENT.replace("never", "always"), ["tron-payment.yml:8", "must be never", "'always'"]),
        ("tron_payment", PAYMENT.replace("required}", "optional}"), ["tron-payment.yml:9", "must be required"]),
        ("tron_payment", PAYMENT.replace("https:", "http:"), ["tron-payment.yml:9", "TLS is required"]),
        ("tron_payment", PAYMENT.replace("'https://pay.example:8443'", "target"), ["tron-payment.yml:3", "never put"]),
    ],
)
def test_a_fault_is_named_at_its_line(tmp_path: Path, stem: str, text: str, words: list[str]) -> None:
    """The message has the file, the line, and the near name or the remedy."""
    said = faults_of(write_all(tmp_path, **{stem: text}))
    assert [word for word in words if word not in said] == [], said


def test_a_password_in_a_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """Files are read by many; a URL with a password belongs into the environment."""
    text = DATABASE.replace("redis://", "redis://:sesame@")
    said = faults_of(write_all(tmp_path, database=text))
    assert "holds a password" in said
    assert "sesame" not in said


def test_all_faults_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    """Who has three faults in three files need not correct them one by one."""
    said = faults_of(
        write_all(
            tmp_path,
            gateway=GATEWAY + "limit: 1\n",
            database=DATABASE.replace("engine: redis", "engine: x"),
            tron_payment=PAYMENT.replace("VkAeBf", "VkAeBg"),
        )
    )
    assert "3 faults" in said
    assert [file for file in ("gateway.yml:4", "database.yml:8", "tron-payment.yml:6") if file not in said] == []


def test_a_cycle_is_named_as_a_path(tmp_path: Path) -> None:
    """The path begins and ends with the same service, in the direction of dependence."""
    folder = write_services(
        tmp_path,
        a="kind: gateway\ndepends_on: [b]\n",
        b="kind: gateway\ndepends_on: [c]\n",
        c="kind: gateway\ndepends_on: [a]\n",
    )
    said = faults_of(folder)
    assert "a → b → c → a" in said
    assert "a.yml:2" in said


@pytest.mark.parametrize("name", ["none", "empty"])
def test_a_folder_without_services_is_refused(tmp_path: Path, name: str) -> None:
    """One that is not there, and one that has nothing in it."""
    (tmp_path / "empty").mkdir()
    assert name in faults_of(tmp_path / name)


def test_a_folder_with_more_services_than_can_be_meant_is_refused(tmp_path: Path) -> None:
    """Each would be asked at the same time."""
    for number in range(6):
        stores = "".join(f"  s{number}-{store}: {{engine: redis}}\n" for store in range(90))
        write_services(tmp_path, **{f"db{number}": f"kind: database\nstores:\n{stores}"})
    assert "has 546 services, and 500 are the most" in faults_of(tmp_path)


def test_the_services_that_come_with_piswarm_are_read() -> None:
    """They are typed, and say of the embedded target what is so."""
    services = load_services(ROOT / "configs" / "services").services
    assert {"embedded-target", "auth-service", "database", "tron-payment"} <= set(services)
    assert {"sqlite", "postgresql", "redis", "mongodb", "elasticsearch"} <= set(services)
    assert services["mongodb"].shape.external
    assert services["elasticsearch"].shape.external
    assert isinstance(services["database"].shape, DatabaseShape)
    payment = services["tron-payment"].shape
    assert isinstance(payment, PaymentShape)
    assert payment.network != "mainnet"
    auth, default = services["auth-service"].shape, AuthSettings()
    assert isinstance(auth, AuthShape)
    assert (auth.jwt.token_lifetime, auth.jwt.refresh_lifetime) == (
        default.token_lifetime_s,
        default.refresh_lifetime_s,
    )
    lockout = auth.security.lockout
    assert (lockout.failures, lockout.within, lockout.lock) == (
        default.lockout.failures,
        default.lockout.within_s,
        default.lockout.lock_s,
    )
