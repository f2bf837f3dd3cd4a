"""Reading what a target counts of its caches, from the page that it has for Prometheus."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from master.judge.run_facts import CacheCounts

HITS, MISSES = "target_cache_hits_total", "target_cache_misses_total"
TIMEOUT_S = 3.0
"""For the whole of an answer."""
MAX_BYTES = 4 << 20


class NoCountersError(Exception):
    """The target has answered, and has no such counters: it need not be asked again."""


def read_cache_counts(url: str) -> CacheCounts:
    """Ask the target at `url` for its `/metrics`; of counters with labels, such as one for each cache, the sum.

    Raises OSError when it does not answer in time, NoCountersError when it answers without these counters.
    """
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/metrics", headers={"Accept": "text/plain"})
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise NoCountersError(f"GET /metrics has status {response.status}")
        return _counts(_body(response))
    except http.client.HTTPException as error:
        raise NoCountersError(f"GET /metrics is answered by what is no HTTP: {error!r}") from None
    finally:
        connection.close()


def _body(response: http.client.HTTPResponse) -> str:
    deadline_s, body = time.monotonic() + TIMEOUT_S, bytearray()
    while chunk := response.read1(1 << 16):
        body += chunk
        if len(body) > MAX_BYTES:
            raise NoCountersError(f"GET /metrics answers more than {MAX_BYTES} bytes")
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"GET /metrics took longer than {TIMEOUT_S:g} s")
    return body.decode(errors="replace")


def _counts(text: str) -> CacheCounts:
    found: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in {HITS, MISSES}:
                    found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return CacheCounts(int(found[HITS]), int(found[MISSES]))
    except Exception as error:  # noqa: BLE001  # the parser raises whatever it stumbles over
        raise NoCountersError(f"GET /metrics has no such counters: {error!r}") from None
