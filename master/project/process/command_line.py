"""What a command line says that is as Locust takes it: what the project's process is asked for, and what it answers. Plain data."""

from __future__ import annotations

import msgspec

from worker.wire.work import ArgumentValue


class GivenOption(msgspec.Struct, frozen=True):
    """An option of Locust's that was given, by its long name, and where, empty on the command line."""

    name: str
    place: str


class CommandLine(msgspec.Struct, frozen=True, kw_only=True):
    """What the options of Locust, and the locustfile's own, say. What was not given is None or empty."""

    users: int | None = None
    spawn_rate: float | None = None
    run_time_s: float | None = None
    host: str | None = None
    tags: list[str] | None = None
    exclude_tags: list[str] | None = None
    stop_timeout_s: float | None = None
    user_classes: list[str] = []
    csv_prefix: str | None = None
    csv_full_history: bool = False
    html_file: str | None = None
    json: bool = False
    json_file: str | None = None
    lists_classes: bool = False
    arguments: dict[str, ArgumentValue] = {}
    """Values of the locustfile's own options, but for those that an environment variable gives."""
    others: list[GivenOption] = []
    """Options of Locust's that have no meaning here, or another one."""
    unknown: list[str] = []
    """Words that nobody knows."""
    own: list[str] = []
    """The locustfile's own options."""
    known: list[str] = []
    """The options that there are, of Locust and the locustfile's own."""
    places: dict[str, str] = {}
    """Where options were given that are not on the command line: LOCUST_USERS, `locust.conf:3`. By their long name; also of words
    that nobody knows."""
    own_help: str = ""
    """The locustfile's own options, as Locust's help shows them."""


class CommandOrders(msgspec.Struct, frozen=True):
    """What there is to read. `configured`: environment variables and configuration files of Locust's say something, too."""

    words: list[str]
    configured: bool
    only_help: bool = False
