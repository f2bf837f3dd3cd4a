"""Every environment variable that piswarm reads: kind, range, default, unit, what it is for and who reads it. Declared here alone.

A field's name, in capitals behind the prefix of its class, is the variable's; files of layers group fields as `GROUPS` does. A default is
what the reader takes where the variable is not set; None stands for none.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from master.environments.kinds import (
    ALPHANUMERIC,
    URL_SAFE,
    DatabasePlace,
    Decimal,
    Duration,
    PortRange,
    Rate,
    RateLimit,
    RedisUrl,
    Secret,
    ServiceUrl,
    Target,
    Text,
    Whole,
)
from master.scenario.schema.base import MAX_USERS
from master.scenario.schema.scenario import MAX_NODES
from master.target.chain.ledger.validator_set import MAX_VALIDATORS

DAY_S = 86_400
YEAR_S = 365 * DAY_S


def _variable(
    default: str | float | None,
    description: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    unit: str = "",
    name: str = "",
    secret: Secret | None = None,
) -> Any:
    extra = {"unit": unit, "name": name, "secret": secret}
    return Field(default, description=description, ge=ge, le=le, json_schema_extra=extra)  # type: ignore[arg-type]


class Variables(BaseSettings):
    """Base of the groups. Values are those that are handed over: what is checked is a file, not this process's own environment."""

    model_config = SettingsConfigDict(extra="forbid", validate_default=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # the library calls with these names
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed over."""
        return (init_settings,)


class AgentVariables(Variables):
    """`python -m worker.agent.service`."""

    model_config = SettingsConfigDict(env_prefix="PISWARM_AGENT_")

    directory: Text | None = _variable(None, "directory with the node's settings and keys; the argument wins")
    state_folder: Text | None = _variable(
        None, "folder that keeps the measured capacity; wins over systemd's STATE_DIRECTORY and the user's state folder"
    )


class FabVariables(Variables):
    """`fab`, all of its tasks."""

    model_config = SettingsConfigDict(env_prefix="PISWARM_FAB_")

    inventory: Text = _variable("ansible/inventory/lab.yml", "the inventory", name="PISWARM_INVENTORY")
    state: Text = _variable(".piswarm", "directory of the controller's keys, known hosts and releases")
    pool: Whole = _variable(32, "hosts worked on at once", ge=1, le=1000)
    connect_s: Whole = _variable(10, "longest wait for a connection", ge=1, le=3600, unit="s")


class RunVariables(Variables):
    """`piswarm run`."""

    model_config = SettingsConfigDict(env_prefix="PISWARM_RUN_")

    target: Target | None = _variable(None, "URL to load in place of the scenario's, or embedded")
    local: Whole | None = _variable(None, "nodes to simulate on this machine", ge=1, le=MAX_NODES)
    inventory: Text | None = _variable(None, "the inventory of real nodes to run on")
    limit: Text | None = _variable(None, "only these nodes of the inventory")
    state: Text = _variable(".piswarm", "directory of the keys of the controller and its nodes")
    users: Whole | None = _variable(None, "users of the largest stage", ge=1, le=MAX_USERS)
    rate: Rate | None = _variable(None, "rate of the largest stage of a load of arrivals, such as 500/s")
    max_users: Whole | None = _variable(None, "users busy at once in a load of arrivals", ge=1, le=MAX_USERS)
    duration: Duration | None = _variable(None, "length of the load, such as 90s")
    out: Text | None = _variable(None, "the run directory; must be empty or new")
    baseline: Text | None = _variable(None, "the run directory to compare the run with")
    listen: Text | None = _variable(None, "address that the master listens on; 127.0.0.1 with simulated nodes")
    port: Whole | None = _variable(None, "port that the master listens on; 0 is a free one", ge=0, le=65_535)
    metrics_port: Whole | None = _variable(
        None, "port of loopback with the run's metrics for Prometheus; 0 is a free one", ge=0, le=65_535
    )
    web: Literal["true", "false"] = _variable("false", "whether a page in the browser shows the run")
    web_port: Whole = _variable("9640", "port of loopback of that page; 0 is a free one", ge=0, le=65_535)
    metrics_otlp: Text | None = _variable(None, "base URL of the OpenTelemetry collector that gets them")
    summary: Text | None = _variable(None, "file to the end of which the outcome is added in Markdown")
    separate: Literal["true", "false"] = _variable("false", "whether each simulated node has processes of its own")
    require: Text | None = _variable(None, "services to require beside the scenario's, with spaces between them")
    services: Text = _variable("configs/services", "folder with the files of services that a scenario may require")


class ServicesVariables(Variables):
    """`piswarm services check`, and `piswarm run` where a scenario requires services."""

    model_config = SettingsConfigDict(env_prefix="PISWARM_")

    postgresql_url: ServiceUrl | None = _variable(None, "PostgreSQL to ask for its health; unused without it")
    redis_url: ServiceUrl | None = _variable(None, "Redis to ask for its health; unused without it")
    mongodb_url: ServiceUrl | None = _variable(None, "MongoDB to ask for its health; unused without it")
    elasticsearch_url: ServiceUrl | None = _variable(None, "Elasticsearch to ask for its health; unused without it")
    tron_url: ServiceUrl | None = _variable(
        None, "node of TRON to ask for its health, never a target; unused without it"
    )


class TargetVariables(Variables):
    """`python -m master.target`, also where a run starts it."""

    model_config = SettingsConfigDict(env_prefix="PISWARM_TARGET_")

    host: Text = _variable("127.0.0.1", "address to listen on; a run chooses its own")
    port: Whole = _variable(0, "port to listen on, 0 is a free one; a run chooses its own", ge=0, le=65_535)
    database: DatabasePlace | None = _variable(None, "SQLite file, or postgresql:// URL; a temporary file without it")
    redis: RedisUrl | None = _variable(
        None, "redis:// URL for tokens, failed sign-ins and caches; the database without it"
    )
    redis_password: Text | None = _variable(
        None, "password of Redis, where the URL has none", secret=Secret(48, ALPHANUMERIC, least=16)
    )
    key_file: Text | None = _variable(None, "file with the key of recorded chunks, made if missing")
    durability: Literal["process", "power"] = _variable(
        "process", "what acknowledged data outlives: the process, or a power cut"
    )
    password: Text | None = _variable(
        None,
        "password of all accounts; users of a run by URL sign in with it too; one is made without it",
        secret=Secret(32, URL_SAFE),
    )
    password_file: Text | None = _variable(None, "file with that password, in place of the variable")
    token_lifetime_s: Whole = _variable(3600, "how long a token is good", ge=1, le=YEAR_S, unit="s")
    refresh_lifetime_s: Whole = _variable(DAY_S, "how long a refresh token is good", ge=1, le=YEAR_S, unit="s")
    hash_memory_kib: Whole = _variable(1024, "memory of Argon2id for a hash", ge=8, le=4_194_304, unit="KiB")
    hash_passes: Whole = _variable(1, "passes of Argon2id over its memory", ge=1, le=1000)
    lockout_failures: Whole = _variable(10, "failed sign-ins that lock a name; 0: never", ge=0, le=1_000_000)
    lockout_address_failures: Whole = _variable(
        50, "failed sign-ins that lock the address they come from; 0: never, as behind a proxy", ge=0, le=1_000_000
    )
    lockout_s: Decimal = _variable(60.0, "how long either is locked", ge=0, le=YEAR_S, unit="s")
    outlive_s: Decimal = _variable(
        0.0, "how long it waits for requests once its parent has gone; a run chooses its own", ge=0, le=DAY_S, unit="s"
    )
    alive_within_s: Decimal = _variable(30.0, "silence after which a node is lost", ge=0.1, le=DAY_S, unit="s")
    rdp_ports: PortRange = _variable("20000-21999", "ports of the RDP servers; 0: whichever are free")
    rdp_servers: Whole = _variable(1000, "RDP servers at once", ge=1, le=1_000_000)
    block_time_s: Decimal = _variable(10.0, "from one block of the chain to the next", ge=0.1, le=DAY_S, unit="s")
    validators: Whole = _variable(4, "validators with which a chain begins", ge=1, le=MAX_VALIDATORS)
    rate_limit_per_s: RateLimit = _variable(
        10_000.0, "requests of each caller to /media, /uploads and /cache; 0: no limit", ge=0, le=1_000_000, unit="1/s"
    )
    cache_mib: Whole = _variable(64, "memory of the cache of segments", ge=1, le=1_048_576, unit="MiB")
    cache_ttl_s: Decimal = _variable(60.0, "how long an entry of the caches is good", ge=0.1, le=DAY_S, unit="s")


class LibpqVariables(Variables):
    """libpq inside `python -m master.target`, where the database is a PostgreSQL URL."""

    model_config = SettingsConfigDict(env_prefix="")

    pgpassword: Text | None = _variable(
        None, "password of PostgreSQL, where the URL has none", secret=Secret(48, ALPHANUMERIC, least=16)
    )


GROUPS: dict[str, type[Variables]] = {
    "run": RunVariables,
    "services": ServicesVariables,
    "fab": FabVariables,
    "agent": AgentVariables,
    "target": TargetVariables,
    "libpq": LibpqVariables,
}
