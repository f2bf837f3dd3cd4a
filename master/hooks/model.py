"""A hook as a scenario declares it, and the events that there are. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

EVENTS = {
    "start": "the load begins",
    "lost": "nodes are lost, leave, or are quarantined",
    "verdict": "the run is over, whatever it came to",
    "abort": "the run was aborted",
    "drift": "the run is over, and something drifted",
}
"""By name, what each one says."""
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,199})\}")


@dataclass(frozen=True, slots=True)
class Hook:
    """Who is told of which events: a URL that gets a POST, or a command that gets the same on its standard input.

    `${NAME}` in the URL and in headers is the value of an environment variable, which is a secret and kept nowhere.
    """

    events: tuple[str, ...]
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()

    def keys(self) -> dict[str, Any]:
        """The keys of a scenario file."""
        content: dict[str, Any] = {"events": list(self.events)}
        if self.url is not None:
            content["url"] = self.url
            if self.headers:
                content["headers"] = dict(self.headers)
        else:
            content["command"] = list(self.command)
        return content


def variables_of(hooks: Iterable[Hook]) -> list[str]:
    """The environment variables that the hooks name, each once."""
    texts = [text for hook in hooks for text in (hook.url or "", *hook.headers.values())]
    return list(dict.fromkeys(name for text in texts for name in VARIABLE.findall(text)))
