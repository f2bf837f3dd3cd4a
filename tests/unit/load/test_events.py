"""Locust's global events in a process with several workers: each worker has its own, whichever event a locustfile uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import locust
import pytest
from locust.event import EventHook, Events

from worker.load import events as shared
from worker.load.events import WorkerEvents, share_global_events
from worker.load.loop_lag import LoopLag
from worker.load.recorder import Recorder
from worker.wire.reports import ExceptionCount

REQUEST = {"request_type": "RAW", "name": "/", "response_time": 1.0, "response_length": 0, "exception": None}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Global events that neither another test nor another test's worker has touched."""
    monkeypatch.setattr(locust, "events", Events())
    monkeypatch.setattr(shared, "_workers", [])
    share_global_events()


class Worker:
    """A worker's events and its counts; `does` runs in a greenlet that a greenlet of the worker starts, as a task does."""

    def __init__(self) -> None:
        self.recorder = Recorder(LoopLag())
        self._asked: list[Callable[[], Any]] = []
        gevent.spawn(self._begin).join()

    def _begin(self) -> None:
        self.events = WorkerEvents(self.recorder)
        self._tree = gevent.getcurrent().spawn_tree_locals

    def does(self, act: Callable[[], Any]) -> Any:
        def task() -> Any:
            return gevent.spawn(act).get()

        greenlet = gevent.Greenlet(task)
        greenlet.spawn_tree_locals = self._tree
        greenlet.start()
        return greenlet.get()

    @property
    def exceptions(self) -> list[ExceptionCount]:
        return self.recorder.make_report({}, final=True).exceptions


def test_a_request_fired_on_the_global_event_is_counted_once_by_the_worker_whose_task_fired_it() -> None:
    """A request fired on the global event is counted once, by the worker whose task fired it, though workers share the module."""
    first, second = Worker(), Worker()
    second.does(lambda: locust.events.request.fire(**REQUEST))
    second.does(lambda: second.events.request.fire(**REQUEST))
    assert (first.recorder.requests_total, second.recorder.requests_total) == (0, 2)


def test_what_is_measured_on_the_global_event_is_counted() -> None:
    """A block that is timed with `events.request.measure` on the global event is counted."""
    worker = Worker()

    def task() -> None:
        with locust.events.request.measure("RAW", "block"):
            pass

    worker.does(task)
    assert worker.recorder.requests_total == 1


def test_who_listens_when_the_locustfile_is_imported_hears_every_worker() -> None:
    """A listener that is added while the locustfile is imported hears each event of every worker once."""
    heard: list[dict[str, Any]] = []
    locust.events.test_start.add_listener(lambda **given: heard.append(given))
    first, second = Worker(), Worker()
    first.does(lambda: first.events.test_start.fire(environment=1))
    second.does(lambda: locust.events.test_start.fire(environment=2))
    assert heard == [{"environment": 1}, {"environment": 2}]


def test_who_listens_to_the_global_event_in_a_worker_hears_that_one_alone() -> None:
    """A listener that a worker's init adds to the global event hears that worker alone, although each worker's init adds one."""
    heard: list[str] = []
    workers = {name: Worker() for name in "ab"}
    for name, worker in workers.items():
        worker.does(lambda name=name: locust.events.request.add_listener(lambda **_: heard.append(name)))
    workers["b"].does(lambda: workers["b"].events.request.fire(**REQUEST))
    assert heard == ["b"]


def test_a_worker_that_listens_no_more_leaves_the_others_theirs() -> None:
    """A listener that one worker removes stays in the other workers, as if each were a process of its own."""
    heard: list[int] = []

    def listener(number: int) -> None:
        heard.append(number)

    locust.events.test_stop.add_listener(listener)
    first, second = Worker(), Worker()
    first.does(lambda: locust.events.test_stop.remove_listener(listener))
    first.does(lambda: first.events.test_stop.fire(number=1))
    second.does(lambda: second.events.test_stop.fire(number=2))
    assert heard == [2]


def test_what_is_fired_outside_every_worker_counts_as_the_first_ones() -> None:
    """A request fired outside of every worker, as in a callback of the event loop, counts for the first worker and is not lost."""
    first, second = Worker(), Worker()
    locust.events.request.fire(**REQUEST)
    assert (first.recorder.requests_total, second.recorder.requests_total) == (1, 0)


def test_an_event_of_the_locustfiles_own_is_an_event_of_each_worker() -> None:
    """An event that a locustfile adds to the global events is an event of each worker, fired on its environment."""
    heard: list[int] = []
    locust.events.bought = EventHook()
    locust.events.bought.add_listener(lambda number: heard.append(number))  # noqa: PLW0108  # by its name
    worker = Worker()
    worker.does(lambda: worker.events.bought.fire(number=3))
    locust.events.sold = EventHook()
    assert worker.events.sold is locust.events.sold
    assert heard == [3]


def test_a_listener_that_fails_is_an_exception_of_its_worker_and_the_next_one_is_called() -> None:
    """A failing listener counts as an exception of its worker, for which Locust's own command ends with 2; the next one
    is called.
    """
    heard: list[int] = []
    worker = Worker()
    worker.events.test_start.add_listener(lambda **_: {}["no_such_key"])
    worker.events.test_start.add_listener(lambda **_: heard.append(1))
    worker.does(lambda: worker.events.test_start.fire(environment=None))
    (counted,) = worker.exceptions
    assert heard == [1]
    assert (counted.user_class, counted.type, counted.message) == (
        "listener of test_start",
        "KeyError",
        "'no_such_key'",
    )
    assert "test_events.py" in counted.place


def test_a_listener_may_end_the_user_that_fired() -> None:
    """A listener may raise the exceptions with which Locust ends the user that fired the event."""
    worker = Worker()

    def full(**_: Any) -> None:
        raise locust.exception.StopUser

    worker.events.request.add_listener(full)
    with pytest.raises(locust.exception.StopUser):
        worker.does(lambda: worker.events.request.fire(**REQUEST))
    assert worker.recorder.requests_total == 1
    assert worker.exceptions == []


def test_what_costs_something_begins_with_the_first_listener() -> None:
    """What an event is to cost begins when the first listener is there, also one that is added late, and only once."""
    worker, begun = Worker(), []
    worker.events.usage_monitor.when_heard(lambda: begun.append("late"))  # type: ignore[attr-defined]  # a WorkerEvent
    assert begun == []
    for _ in range(2):
        worker.does(lambda: locust.events.usage_monitor.add_listener(print))
    worker.events.usage_monitor.when_heard(lambda: begun.append("at once"))  # type: ignore[attr-defined]
    assert begun == ["late", "at once"]


class _WordlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words for it")


@pytest.mark.parametrize(
    ("error", "words"),
    [(_WordlessError(), "_WordlessError: "), (ValueError("\udcff" + 1000 * "x"), r"ValueError: \udcffxxx")],
    ids=["wordless", "half-surrogate"],
)
def test_what_a_listener_raises_can_always_be_told(error: Exception, words: str) -> None:
    """An exception that raises when it is asked for its words, or has some that no message takes, is one of the worker nevertheless."""
    worker = Worker()

    @worker.events.init.add_listener
    def fail(**_: object) -> None:
        raise error

    worker.does(lambda: worker.events.init.fire(environment=None, runner=None, web_ui=None))
    assert worker.events.failures[0].startswith(words)
    assert len(worker.events.failures[0].encode()) < 500
