"""The WebSocket user of Locust's contrib, unchanged."""

from __future__ import annotations

import os
from typing import Any

from locust import constant, events, task
from locust.contrib.socketio import SocketIOUser
from notes import Noted, note, note_side


@events.init.add_listener
def init(runner: Any, **_: Any) -> None:
    note_side(runner)


class Caller(Noted, SocketIOUser):
    wait_time = constant(0.3)

    def on_start(self) -> None:
        super().on_start()
        self.sio.connect(os.environ["PARITY_SOCKETIO"], transports=["websocket"])

    @task
    def ask(self) -> None:
        note("answer", data=self.sio.call("ask", {"a": 1}))
        self.sio.emit("tell", {"b": 2})
        self.sio.send("a word", name="word")

    def on_stop(self) -> None:
        self.sio.disconnect()
