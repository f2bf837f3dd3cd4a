"""The command `fab`: Fabric's own program, but what is wrong with its command line is one message and exit status 2.

Fabric reads its own options before it loads fabfile.py, so that these need a program of ours around; `python -m fabric` has the
messages for the tasks' options alone.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from fabric.main import program
from invoke.exceptions import CollectionNotFound, Exit, ParseError

FAILED = 1
"""The exit status when a host failed, or piswarm itself."""
INPUT = 2
"""The exit status of wrong input."""


def report_fault(error: Exception) -> int:
    """Print an exception that nobody foresaw, with its traceback; the exit status."""
    traceback.print_exception(error)
    sys.stderr.write(
        f"error: a fault of piswarm's own: {type(error).__name__}: {error}\n"
        "  do: please report it, with the lines above; fab status shows what the hosts run\n"
    )
    return FAILED


def make_strict() -> None:
    """Have Fabric's program end with INPUT and one message where the command line is wrong, not with 1 or a traceback."""
    for name in ("parse_core", "parse_collection", "parse_tasks", "parse_cleanup", "update_config"):
        step = getattr(program, name)
        if not hasattr(step, "is_strict"):
            setattr(program, name, _strict(step, loads_tasks=name == "parse_collection"))


def _strict(step: Callable[..., None], *, loads_tasks: bool) -> Callable[..., None]:
    """`step`, whose exceptions are the operator's faults. One that `loads_tasks` runs fabfile.py, whose faults are its own."""

    def strict(*arguments: object) -> None:
        try:
            step(*arguments)
        except Exit as error:
            if error.code == FAILED:  # what Invoke takes where nothing else was said
                raise _usage_error(error.message) from None
            raise
        except (ParseError, CollectionNotFound) as error:
            raise _usage_error(str(error)) from None
        except Exception as error:
            if loads_tasks:
                raise
            said = str(error) or type(error).__name__
            # By int(), for what an option was given.
            wrong_number = isinstance(error, ValueError) and said.startswith(("invalid literal", "Exceeds the limit"))
            raise _usage_error(f"no whole number: {said.rpartition(': ')[2]}" if wrong_number else said) from None

    strict.is_strict = True  # type: ignore[attr-defined]
    return strict


def _usage_error(message: str) -> Exit:
    text = " ".join(message.split())[:200]
    return Exit(f"error: {text}\n  do: see fab --list, and fab --help TASK", code=INPUT)


def main() -> None:
    """Run what the command line says."""
    make_strict()
    try:
        program.run()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is reported
        sys.exit(report_fault(error))


if __name__ == "__main__":
    main()
