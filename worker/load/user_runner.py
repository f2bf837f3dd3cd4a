"""The users of one worker: started and ended by the controller's orders, in place of what Locust's worker does there."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import gevent
from locust.exception import StopTest, StopUser
from locust.runners import STATE_INIT, STATE_RUNNING, STATE_SPAWNING, STATE_STOPPED, WorkerRunner
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from worker.load.arrivals.users import has_waited
from worker.load.recorder import Recorder

logger = logging.getLogger(__name__)


class UserRunner(WorkerRunner):
    """A worker's users.

    An order says how many users of each class there are to be, those included that have ended by themselves since the worker
    began: they are not made again. Users that are stopping, and still finish their task, do not count.

    A listener of test_start may take its time: users begin when it is done, and the worker goes on to hear its controller.
    """

    client: Any
    _order: dict[str, int] | None = None
    """What was ordered last; None while there is to be no load."""
    _beginning: gevent.Greenlet | None = None
    """What fires test_start, until users may begin."""

    def _begin_accounts(self) -> None:
        """Before the base has begun: nobody has ended."""
        self.ended: Counter[str] = Counter()
        """Users of each class that have ended by themselves, which Locust's StopUser is for, or by what their code has raised."""
        self._done = 0
        """Those of them that have ended in order."""

    @property
    def recorder(self) -> Recorder:
        """The recorder of this worker's requests."""
        return cast("Recorder", self.environment.stats)

    @property
    def users_there(self) -> int:
        """Users that run, and those that have run to their own end, of those that were ordered."""
        running = len(self.user_greenlets)
        return (
            running
            if not self._done or self._order is None
            else min(running + self._done, max(running, sum(self._order.values())))
        )

    def follow(self, users: dict[str, int]) -> None:
        """Follow an order, in a greenlet of its own. The first one begins the test."""
        self._order = users
        if self.worker_state not in {STATE_RUNNING, STATE_SPAWNING}:
            self.worker_state = STATE_SPAWNING
            self.cpu_warning_emitted = False
            self._beginning = self.greenlet.spawn(self._begin_test)
        elif self._beginning is None:
            self._follow_order()

    def _begin_test(self) -> None:
        try:
            self.environment._filter_tasks_by_tags()  # noqa: SLF001  # as Locust's worker does
            self.environment.events.test_start.fire(environment=self.environment)
        except Exception as error:  # a listener that ends a task, which here is none
            logger.exception("a listener of test_start failed")
            self.recorder.note_exception("listener of test_start", error, error.__traceback__)
        self._beginning = None
        self._follow_order()

    def _follow_order(self) -> None:
        if self._order is None:
            return
        if self.spawning_greenlet:
            self.spawning_greenlet.kill(block=True)
        self.spawning_greenlet = self.greenlet.spawn(self.start_worker, self._order)

    def end_test(self) -> None:
        """Stop all users, and what fires test_start still: it has the stop timeout to come to its end."""
        self._order = None
        beginning, self._beginning = self._beginning, None
        if beginning is not None:
            beginning.join(self.environment.stop_timeout)
            beginning.kill(block=True)
        WorkerRunner.stop(self)

    def start_worker(self, user_classes_count: dict[str, int], **_kwargs: Any) -> None:
        """Start or stop users until those ordered are there."""
        self.target_user_classes_count = dict(user_classes_count)
        self.target_user_count = sum(user_classes_count.values())
        if self.environment.host:
            for user_class in self.user_classes:
                user_class.host = self.environment.host
        running = Counter(type(user).__name__ for user in self._users() if not _is_stopping(user))
        missing = {name: count - self.ended[name] - running[name] for name, count in user_classes_count.items()}
        # Before others are stopped, for whose tasks this waits.
        self.spawn_users({name: count for name, count in missing.items() if count > 0})
        self.stop_users({name: -count for name, count in missing.items() if count < 0 and running[name]})
        self.spawning_complete(self.user_count)
        self.update_state(STATE_RUNNING)
        self.worker_state = STATE_RUNNING

    def spawn_users(self, user_classes_spawn_count: dict[str, int], wait: bool = False) -> list[Any]:  # noqa: ARG002
        """Start so many users of each class. One whose constructor raises counts as an exception; the others are started."""
        if self.state in (STATE_INIT, STATE_STOPPED):
            self.update_state(STATE_SPAWNING)
        users = []
        for name, count in user_classes_spawn_count.items():
            for _ in range(count):
                try:
                    user = self.user_classes_by_name[name](self.environment)
                    self._watch(user)
                    user.start(self.user_greenlets)
                except Exception as error:
                    logger.exception("a user of class %s can't be made", name)
                    self.ended[name] += 1
                    self.recorder.note_exception(name, error, error.__traceback__)
                else:
                    users.append(user)
        return users

    def _watch(self, user: Any) -> None:
        """Note when the user ends by itself. `sys.exit` in its code ends this user, as an exception: gevent would end the process."""
        run, name = user.run, type(user).__name__

        def run_watched() -> None:
            in_order = False
            try:
                run()
                in_order = True
            except (SystemExit, KeyboardInterrupt) as error:
                logger.exception("the code of a user of class %s wants to end the process: the user is ended", name)
                self.environment.events.user_error.fire(user_instance=user, exception=error, tb=error.__traceback__)
            except (StopUser, StopTest):
                raise
            except Exception as error:
                # Locust tells of what a task or on_start raises, but not of what wait_time raises after that, or on_stop.
                if error is not vars(user).get("counted_error"):
                    self.environment.events.user_error.fire(user_instance=user, exception=error, tb=error.__traceback__)
                raise
            finally:
                if not vars(user).get("_stop_ordered"):
                    self.ended[name] += 1
                    self._done += in_order

        user.run = run_watched

    def _ready_users(self) -> dict[str, int]:
        """In the open model: the users of each class that are done with their `on_start`; arrivals are dealt to those."""
        return dict(Counter(type(user).__name__ for user in self._users() if has_waited(user)))

    def _users(self) -> list[Any]:
        # gevent empties the arguments of a greenlet that has ended
        return [greenlet.args[0] for greenlet in list(self.user_greenlets) if greenlet.args]

    def stop_users(self, user_classes_stop_count: Mapping[str, int]) -> None:
        """Stop so many users of each class, those that pause at once, the others after their task, and wait for all that stop.

        Locust kills a pausing user without telling it that it is to stop; when its pause ends in that very moment, the kill
        hits the request that it has just begun, and the target has counted one more than the generator.
        """
        left = dict(user_classes_stop_count)
        stopping = []
        for greenlet in list(self.user_greenlets):
            user = greenlet.args[0] if greenlet.args else None  # gevent empties the arguments of one that has ended
            if user is None:
                continue
            if _is_stopping(user):
                stopping.append(greenlet)
                continue
            if not left.get(type(user).__name__, 0):
                continue
            left[type(user).__name__] -= 1
            stopping.append(greenlet)
            pausing = user._state in (None, LOCUST_STATE_WAITING)  # noqa: SLF001  # Locust keeps a user's state there
            user._state = LOCUST_STATE_STOPPING  # noqa: SLF001
            user._stop_ordered = True  # noqa: SLF001  # ours
            if pausing:
                greenlet.kill(block=False)
        gevent.joinall(stopping, timeout=self.environment.stop_timeout)
        late = [greenlet for greenlet in stopping if not greenlet.ready()]
        gevent.killall(late)
        self.recorder.note_cut_users(len(late))


def _is_stopping(user: Any) -> bool:
    return bool(user._state == LOCUST_STATE_STOPPING)  # noqa: SLF001  # Locust keeps a user's state there
