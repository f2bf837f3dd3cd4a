"""Events of Locust's worker that say how it is: `heartbeat_received`, `usage_monitor`, `cpu_warning`; and what listeners attach to reports.

Each begins when somebody listens, so that it costs nothing where nobody does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import gevent
import psutil
from locust import runners
from locust.env import Environment

from worker.load.locustfile.attached_data import pack_data
from worker.load.recorder import Recorder

REPORT_LISTENERS_S = 1.0
"""The time that all listeners of report_to_master together have for a report, which goes without what they would have added."""
_LOCUSTS_OWN = ("stats", "stats_total", "errors", "user_classes_count", "user_count")
"""Keys of a report that Locust's own listeners set; the controller has better."""


def fire_heartbeats(environment: Environment, client_id: str, has_contact: Callable[[], bool]) -> None:
    """While the controller is there, fire `heartbeat_received` as often as Locust's master answers heartbeats, for ever."""
    while True:
        gevent.sleep(runners.HEARTBEAT_INTERVAL)
        if has_contact():
            environment.events.heartbeat_received.fire(client_id=client_id, timestamp=time.time())


def monitor_usage(environment: Any, recorder: Recorder) -> None:
    """Fire `usage_monitor`, and `cpu_warning` before it where a worker is too busy, as often as Locust does, for ever.

    CPU use is the worker's in percent of a core, memory that of its process in bytes.
    """
    process, runner = psutil.Process(), environment.runner
    while True:
        gevent.sleep(runners.CPU_MONITOR_INTERVAL)
        cpu_percent = recorder.cpu_percent(int(runners.CPU_MONITOR_INTERVAL))
        runner.current_cpu_usage, runner.current_memory_usage = cpu_percent, process.memory_info().rss
        if cpu_percent > runners.CPU_WARNING_THRESHOLD:
            runner.cpu_warning_emitted = True
            environment.events.cpu_warning.fire(environment=environment, cpu_usage=cpu_percent)
        environment.events.usage_monitor.fire(
            environment=environment, cpu_usage=cpu_percent, memory_usage=runner.current_memory_usage
        )


def attached_to_report(runner: Any, note_failure: Callable[[str, Exception], None]) -> bytes:
    """Fire `report_to_master`, and return what its listeners add to the report, packed; nothing where no one listens."""
    event, client_id = runner.environment.events.report_to_master, runner.client_id
    if not event._handlers:  # noqa: SLF001  # Locust has no public way to see whether there are any
        return b""
    data: dict[str, Any] = {"user_classes_count": runner.user_classes_count, "user_count": runner.user_count}
    try:
        with gevent.Timeout(REPORT_LISTENERS_S):
            event.fire(client_id=client_id, data=data)
        added: Mapping[str, Any] = {key: value for key, value in data.items() if key not in _LOCUSTS_OWN}
        return pack_data(added) if added else b""
    except gevent.Timeout:
        note_failure("report_to_master", TimeoutError(f"not done within {REPORT_LISTENERS_S:g} s"))
    except (TypeError, ValueError) as error:
        note_failure("report_to_master", error)
    return b""
