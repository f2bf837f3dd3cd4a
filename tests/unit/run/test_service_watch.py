"""Required services are watched up to the end of the load."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from master.run.target.service_watch import ServiceWatch
from master.services.health.losses import LOSSES_KEY
from master.services.loader import load_services
from master.services.required import RequiredServices
from master.store import Store


def watch(folder: Path, port: int, store: Store, events: list[str]) -> ServiceWatch:
    """A watch that has found the service at this port healthy before the load."""
    text = f"kind: gateway\nendpoint: {{url: 'tcp://127.0.0.1:{port}'}}\nhealth: {{probe: tcp, timeout: 5s}}\n"
    (folder / "front.yml").write_text(text)
    catalogue = load_services(folder)
    found = ServiceWatch(
        RequiredServices(("front",), tuple(catalogue.closure(["front"]))), store, lambda kind, _: events.append(kind)
    )
    found.begin("http://127.0.0.1:1")
    return found


@pytest.mark.parametrize("ends_at_s", [2.0, 3.0])
def test_a_service_that_ends_just_before_the_load_is_lost(tmp_path: Path, ends_at_s: float) -> None:
    """Fewer looks are left than it takes to be lost: the others follow when the load is over."""
    store, events = Store(tmp_path / "run.db", create=True), list[str]()
    with socket.create_server(("127.0.0.1", 0)) as server:
        watched = watch(tmp_path, server.getsockname()[1], store, events)
        watched.poll(1.0)
        watched._looking.join()  # type: ignore[union-attr]  # a second passes
    for offset_s in range(2, int(ends_at_s) + 1):
        watched.poll(float(offset_s))
        watched._looking.join()  # type: ignore[union-attr]
    watched.load_ended(ends_at_s + 0.5)
    watched.end()
    (loss,) = store.meta(LOSSES_KEY)
    assert (loss[0], loss[2], loss[3]) == ("front", 2.0, None)
    assert events == ["service lost"]
    store.close()


def test_what_ends_with_the_load_is_no_loss(tmp_path: Path) -> None:
    """The last look found it healthy, and none follows."""
    store, events = Store(tmp_path / "run.db", create=True), list[str]()
    with socket.create_server(("127.0.0.1", 0)) as server:
        watched = watch(tmp_path, server.getsockname()[1], store, events)
        watched.poll(1.0)
        watched._looking.join()  # type: ignore[union-attr]
    watched.load_ended(1.5)
    watched.end()
    assert (store.meta(LOSSES_KEY), events) == ([], [])
    store.close()
