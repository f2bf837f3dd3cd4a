"""Data rows for users: `rows("accounts").take()` gives a user the next row of a table of the scenario's `data`.

    from worker.data import rows

    class Visitor(HttpUser):
        def on_start(self):
            self.account = rows("accounts").take()

        @task
        def page(self):
            self.client.get("/as/" + self.account["user"], name="/as")

Which row that is, the scenario says: each row once in the whole fleet, in turn, or at random.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, NoReturn

import gevent
from locust import User
from locust.exception import StopUser

from worker.load.rows.worker_rows import AllRowsUsed, NoRowInTimeError, WorkerRows

__all__ = ["Row", "Rows", "RowsError", "RowsTimeoutError", "rows"]

TAKE_TIMEOUT_S = 10.0
_TREE_KEY = "worker.data"
"""The key of a worker's rows in the spawn tree's locals of its greenlets."""


class RowsError(Exception):
    """No row can be taken: of an unknown table, or not here."""


class RowsTimeoutError(RowsError):
    """No row came in time: the controller is away, or its leases take too long."""


class Row(dict[str, Any]):
    """A row by column: text of a CSV file; whatever JSON has, of JSON lines."""

    def __missing__(self, column: str) -> NoReturn:
        """Raise KeyError, which names the columns that there are, and no value of any."""
        raise KeyError(f"no column {column!r}{_near(str(column), self)} (columns: {', '.join(self)})")


class Rows:
    """A table of the scenario's `data`, by name. It may be made anywhere, also where a locustfile is imported."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"rows({self.name!r})"

    def take(self, *, timeout_s: float = TAKE_TIMEOUT_S) -> Row:
        """The next row for the user that calls this; it waits for no more than `timeout_s` until one is there.

        When all unique rows are used, this user is stopped (StopUser), and what else the scenario says. Raises RowsTimeoutError
        when none came in time, RowsError for an unknown table, and elsewhere than in a user's code.
        """
        greenlet = gevent.getcurrent()
        of_worker = _rows_of(greenlet)
        if self.name not in of_worker.names:
            known = ", ".join(of_worker.names) or "none"
            near = _near(self.name, of_worker.names)
            raise RowsError(f"the scenario's data has no table {self.name!r:.200}{near} (tables: {known})")
        if not of_worker.has_users:
            raise RowsError("rows are taken by users, and none runs here yet: call take() in on_start or in a task")
        user_class = _user_class(greenlet)
        try:
            return Row(of_worker.take(self.name, user_class, timeout_s))
        except AllRowsUsed:
            of_worker.note_stopped(self.name, user_class)
            raise StopUser from None
        except NoRowInTimeError as error:
            raise RowsTimeoutError(
                f"no row of {self.name!r} came within {error}: is the controller there, and as fast as rows are taken?"
            ) from None


def rows(name: str) -> Rows:
    """The table `name` of the scenario's `data`."""
    return Rows(name)


def provide(of_worker: WorkerRows) -> None:
    """Have the calling greenlet, and all that it spawns from now on, take the rows of this worker."""
    gevent.getcurrent().spawn_tree_locals[_TREE_KEY] = of_worker


def _rows_of(greenlet: Any) -> WorkerRows:
    tree = getattr(greenlet, "spawn_tree_locals", None) or {}
    found: WorkerRows | None = tree.get(_TREE_KEY)
    if found is None:
        raise RowsError("rows are handed out by piswarm's controller, to users of a run: there is none here")
    return found


def _user_class(greenlet: Any) -> str:
    """The class of the user whose greenlet this is; "" for another greenlet of its."""
    arguments = getattr(greenlet, "args", ())
    return type(arguments[0]).__name__ if arguments and isinstance(arguments[0], User) else ""


def _near(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
