"""Bounds of what is on the wire: the most of each thing, and the types that hold them. What is beyond them does not decode."""

from __future__ import annotations

from typing import Annotated

import msgspec

MAX_MESSAGE_BYTES = 4 << 20
"""A larger message ends the sender's connection. A report of 60 busy seconds stays below 1 MB."""
WAITING_S = 1.0
"""Requests in flight for at least this long are reported with their age."""
MAX_WORKERS = 8
"""The most workers of one node: two for each core of a Pi."""
MAX_PROJECT_BYTES = 256 << 20
"""The most bytes of all files of a Locust project together."""
MAX_ARCHIVE_BYTES = 64 << 20
"""The most bytes of its archive, which each node is sent."""
MAX_PROJECT_FILES = 10_000
PROJECT_PART_BYTES = 64 << 10
MAX_PROJECT_DATA = 1 << 20
"""The most bytes of a message that a locustfile sends, or that its listeners attach to a report."""
MAX_LOGGED_LINE = 4000
"""The most characters of a line of a worker's output."""
MAX_LOGGED_LINES = 200
HEARTBEAT_INTERVAL_S = 1.0
"""The longest time between two messages of a connected agent."""

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""A SHA-256 in hexadecimal."""
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
SmallCount = Annotated[int, msgspec.Meta(ge=0, le=1 << 32)]
"""A number of requests or users of one node."""
Percent = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Users = Annotated[dict[Text, SmallCount], msgspec.Meta(max_length=1000)]
NonEmptyText = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Capacity = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
"""The load that a node can carry, in cores of a Raspberry Pi 4 at full clock."""
ProjectData = Annotated[bytes, msgspec.Meta(max_length=MAX_PROJECT_DATA)]
"""What a locustfile hands over, as Locust serializes it; worker/load/locustfile/attached_data.py packs and unpacks it."""
Conditions = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
"""Condition flags of a Pi: the low nibble active, the high nibble known (worker/telemetry/conditions.py). 0 is nothing known."""
