"""What `piswarm serve` was told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from master.web.safety.accounts import Accounts
from master.web.safety.hosts import OwnNames


@dataclass(frozen=True)
class ServeSettings:
    """The folder of the runs, that of the scenarios that can be started, and who may do what.

    With `control` runs can be started and stopped; `accounts` is None where nobody has to sign in, which is on loopback alone.
    """

    runs: Path
    scenarios: Path
    names: OwnNames
    control: bool = False
    accounts: Accounts | None = None
    tls: bool = False
