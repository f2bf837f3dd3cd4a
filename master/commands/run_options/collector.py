"""The collector of OpenTelemetry that an option names."""

from __future__ import annotations

from master.errors import InputError
from worker.tracing.installed import MissingTracingError, check_installed


def check_collector(option: str, url: str) -> None:
    """Raises InputError where `url` is no collector's, or this Python can send nothing to it."""
    from master.scenario.collector_url import check_collector_url  # noqa: PLC0415  # it brings all of the scenario's schema

    try:
        check_collector_url(url)
        check_installed(option)
    except ValueError as error:
        raise InputError(f"{option}: {error}", hint=f"Name it as in {option} http://127.0.0.1:4318.") from None
    except MissingTracingError as error:
        raise InputError(str(error), hint=f"Install it, or leave {option} out.") from None
