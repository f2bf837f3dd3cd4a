"""What a run tells the page that it starts beside itself."""

from __future__ import annotations

import msgspec

MODULE = "master.web.serve"


class PageOrders(msgspec.Struct, frozen=True):
    """The folder of the runs, and the port of loopback to listen on."""

    runs: str
    port: int
