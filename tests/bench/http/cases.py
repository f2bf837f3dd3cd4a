"""What is asked of nginx, and what must come back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

ANSWER = json.dumps(
    {
        "id": "7d1f3c52-9a40-4be1-8f63-2f1f0b6d9a11",
        "user": "user0042",
        "node": "rack-03-slot-17",
        "state": "connected",
        "roles": ["viewer", "operator"],
        "since": "2026-01-01T08:30:00Z",
        "temperature_c": 48.5,
    }
)
"""What nginx answers in every case: 204 bytes, about what a small API says."""
QUESTION: dict[str, Any] = {"user": "user0042", "action": "connect", "width": 1920, "height": 1080}


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request. `directives` are what nginx does besides answering."""

    name: str
    title: str
    method: str
    directives: str = ""

    @property
    def path(self) -> str:
        """Where nginx serves it."""
        return f"/{self.name}"

    @property
    def body(self) -> str:
        """What is sent."""
        return json.dumps(QUESTION) if self.method == "POST" else ""


CASES = (
    Case("get", "GET, every answer alike", "GET"),
    Case("post", "POST of JSON, judged in a with-block", "POST"),
    # Nobody's cache of response heads may look better here than it is out there.
    Case("heads", "GET, every response head different", "GET", "add_header X-Request-Id $request_id;"),
)
