"""The shape of a service's file: which keys, of which kind, in which range. Pydantic checks; `faults.py` says it to the operator."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator, model_validator

from master.scenario.schema.base import ServiceName, Shape, duration, max_length
from master.scenario.units import parse_rate
from master.services.addresses import TARGET, WITH_TLS, check_written, parse_address
from master.services.payment.tron import HOSTS, check_address, check_fee_limit

DEFAULT_TIMEOUT_S = 0.5
_MAX_SERVICES = 100  # that one may depend on, or stores of one file
_MAX_COUNT = 2**53
_MAX_STATUS = 599
PROBES = {
    "http": ("http", "https"),
    "tcp": ("http", "https", "tcp", "postgresql", "redis", "rediss", "mongodb"),
    "postgresql": ("postgresql",),
    "redis": ("redis", "rediss"),
}
"""Ways to ask for health, and the schemes of URLs that each fits."""


def _check_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,99}", name):
        raise ValueError(f"{name!r:.120} is no environment variable: use A to Z, 0 to 9 and _")
    return name


def _check_path(path: str) -> str:
    if not re.fullmatch(r"/[!-~]*", path):
        raise ValueError(f"{path!r:.120} is no path of a URL: it starts with / and has no spaces")
    return path


Rate = Annotated[float, PlainValidator(parse_rate)]
Count = Annotated[int, Field(ge=1, le=_MAX_COUNT)]
Lifetime = Annotated[float, PlainValidator(duration(1, 31 * 86400))]


class EndpointShape(Shape):
    """Where a service is: a `url` ("target" for the run's own), or the environment variable that has it."""

    url: Annotated[str, AfterValidator(check_written)] | None = None
    url_from: Annotated[str, AfterValidator(_check_variable)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.url is None) == (self.url_from is None):
            raise ValueError("needs one of url and url_from, and not both")
        return self


class HealthShape(Shape):
    """How a service is asked whether it is healthy."""

    probe: Literal["http", "tcp", "postgresql", "redis"]
    path: Annotated[str, AfterValidator(_check_path)] | None = None
    status: Annotated[int, Field(ge=100, le=_MAX_STATUS)] | None = None
    timeout: Annotated[float, PlainValidator(duration(0.01, 10))] = DEFAULT_TIMEOUT_S

    @field_validator("path", "status")
    @classmethod
    def _of_http_alone(cls, value: str | int | None, info: ValidationInfo) -> str | int | None:
        probe = info.data.get("probe", "http")  # absent when it is wrong itself
        if value is not None and probe != "http":
            raise ValueError(f"is for probe http, and this one is {probe}: leave it out")
        return value


class SecurityShape(Shape):
    """What a service asks of connections to it. Where TLS is required, only loopback is reached without.

    `ca_file` has the authorities that its certificate must be of, in place of those of the system; a path from the file's own folder.
    """

    tls: Literal["required", "optional"] = "optional"
    ca_file: Annotated[str, Field(min_length=1, max_length=1000)] | None = None


class LimitsShape(Shape):
    """What a service takes; what is not given is not known."""

    connections: Count | None = None
    request_bytes: Count | None = None
    rate: Rate | None = None


class PartShape(Shape):
    """What every service has. `external`: it is run by others, and piswarm never starts it."""

    description: str = ""
    endpoint: EndpointShape | None = None
    depends_on: Annotated[list[ServiceName], max_length(_MAX_SERVICES)] = Field(default_factory=list)
    health: HealthShape | None = None
    external: bool = False
    security: SecurityShape = SecurityShape()
    limits: LimitsShape = LimitsShape()

    @field_validator("health")
    @classmethod
    def _somewhere(cls, health: HealthShape | None, info: ValidationInfo) -> HealthShape | None:
        endpoint: EndpointShape | None = info.data.get("endpoint")
        if health is None or "endpoint" not in info.data:
            return health
        if endpoint is None:
            raise ValueError("asks a service that has no endpoint: give it one, or leave health out")
        if endpoint.url is not None and endpoint.url != TARGET:
            scheme = parse_address(endpoint.url).scheme
            if scheme not in PROBES[health.probe]:
                raise ValueError(f"probe {health.probe} does not fit the endpoint, which is {scheme}://")
        return health

    @field_validator("security")
    @classmethod
    def _with_tls(cls, security: SecurityShape, info: ValidationInfo) -> SecurityShape:
        endpoint: EndpointShape | None = info.data.get("endpoint")
        if endpoint is None or endpoint.url in {None, TARGET}:
            return security
        address = parse_address(str(endpoint.url))
        if security.tls == "required" and address.lacks_tls:
            raise ValueError(
                f"TLS is required, and the endpoint is {address.scheme}://: write {WITH_TLS[address.scheme]}://"
            )
        if security.ca_file is not None and not address.uses_tls and address.scheme != "postgresql":
            raise ValueError(
                f"ca_file is for https://, rediss:// and postgresql://, and the endpoint is {address.scheme}://"
            )
        return security


class ServiceShape(PartShape):
    """A file's service."""

    kind: str
    name: ServiceName | None = None


class GatewayShape(ServiceShape):
    """Kind `gateway`: what users reach, such as the embedded target."""


class JwtShape(Shape):
    """Tokens that an authentication service gives out."""

    algorithm: Literal["HS256", "EdDSA", "ES256", "ES384", "RS256", "PS256"]
    token_lifetime: Lifetime
    refresh_lifetime: Lifetime

    @field_validator("refresh_lifetime")
    @classmethod
    def _longer(cls, refresh_s: float, info: ValidationInfo) -> float:
        if refresh_s < info.data.get("token_lifetime", 0.0):
            raise ValueError("is less than token_lifetime, so that no token could be refreshed")
        return refresh_s


class LockoutShape(Shape):
    """When a name is locked: so many failed sign-ins within a time."""

    failures: Annotated[int, Field(ge=0, le=1000)]
    within: Lifetime
    lock: Lifetime


class AuthSecurityShape(SecurityShape):
    """The security policy of an authentication service."""

    password_hash: Literal["argon2id"]
    lockout: LockoutShape


class AuthShape(ServiceShape):
    """Kind `auth`: signs users in."""

    jwt: JwtShape
    security: AuthSecurityShape


class StoreShape(PartShape):
    """One store of a database service; `engine` says how it is spoken to."""

    engine: Literal["sqlite", "postgresql", "redis", "mongodb", "elasticsearch"]


class DatabaseShape(ServiceShape):
    """Kind `database`: depends on all of its stores, each of which is a service by its own name."""

    stores: Annotated[dict[ServiceName, StoreShape], max_length(_MAX_SERVICES)]


class ContractShape(Shape):
    """A token's contract."""

    token: str
    address: Annotated[str, AfterValidator(check_address)]
    decimals: Annotated[int, Field(ge=0, le=18)]


class FeesShape(Shape):
    """The most that a transaction may burn, in whole sun: `limit_sun` unless something else is asked for, `max_sun` at most."""

    max_sun: Annotated[int, PlainValidator(check_fee_limit)]
    limit_sun: Annotated[int, PlainValidator(check_fee_limit)]

    @field_validator("limit_sun")
    @classmethod
    def _below_max(cls, limit_sun: int, info: ValidationInfo) -> int:
        max_sun = info.data.get("max_sun")
        if max_sun is not None and limit_sun > max_sun:
            raise ValueError(f"{limit_sun} is more than max_sun, {max_sun}")
        return limit_sun


class PaymentSecurityShape(SecurityShape):
    """The security policy of a payment service: never without TLS."""

    tls: Literal["required"]


class PaymentShape(ServiceShape):
    """Kind `payment`: never under load, which the file has to say."""

    network: Literal["mainnet", "shasta", "nile"]
    contract: ContractShape
    fees: FeesShape
    load: Literal["never"]
    security: PaymentSecurityShape

    @field_validator("endpoint")
    @classmethod
    def _not_the_target(cls, endpoint: EndpointShape | None) -> EndpointShape | None:
        if endpoint is not None and endpoint.url == TARGET:
            raise ValueError("is the target of runs, and a payment service is never put under load")
        return endpoint

    @field_validator("network")
    @classmethod
    def _of_its_host(cls, network: str, info: ValidationInfo) -> str:
        endpoint: EndpointShape | None = info.data.get("endpoint")
        url = None if endpoint is None else endpoint.url
        if url is None or url == TARGET:
            return network
        host = parse_address(url).host
        other = next((name for name, known in HOSTS.items() if known == host and name != network), None)
        if other is not None:
            raise ValueError(f"is {network}, and the endpoint is of {other}")
        return network


KINDS: dict[str, type[ServiceShape]] = {
    "gateway": GatewayShape,
    "auth": AuthShape,
    "database": DatabaseShape,
    "payment": PaymentShape,
}
