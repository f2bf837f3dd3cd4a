"""What one end encodes the other end decodes, and an identity gives its node."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from worker.wire import messages
from worker.wire.messages import (
    WORKER_MESSAGES,
    AgentHeartbeat,
    Assign,
    ClockReply,
    ClockRequest,
    Facts,
    Hello,
    HelloRequest,
    Leave,
    ProjectMessage,
    ProjectPart,
    ProjectRequest,
    Quit,
    Reading,
    Ready,
    RunEndRequest,
    Sample,
    UsersRunning,
    Welcome,
    WorkerEnded,
    WorkerRecovered,
    node_of,
)
from worker.wire.reports import EndpointSecond, ErrorCount, Report, WorkerSecond
from worker.wire.rows import RowsRequest, RowsUsed
from worker.wire.work import Assignment, Project, UserShare, Work

FACTS = Facts(
    simulated=False, model="Pi 4", cpu_count=4, memory_bytes=4 << 30, os="Linux", python="3.11", piswarm="0.1"
)
UNKNOWN = Reading(cpu_percent=12.5, memory_percent=40.0, memory_used_bytes=1 << 30, load_1min=0.5)
KNOWN = Reading(
    cpu_percent=100.0,
    memory_percent=99.9,
    memory_used_bytes=3 << 30,
    load_1min=8.25,
    temperature_c=81.5,
    frequency_hz=1.5e9,
    fan_rpm=1468,
    fan_step=4,
    conditions=0xF4,
    conditions_lately=0xF5,
    conditions_since_start=0xFF,
    network_received_bytes=1,
    network_sent_bytes=2,
    disk_read_bytes=3,
    disk_written_bytes=4,
)
REPORT = Report(
    incarnation=5,
    number=7,
    order=3,
    sent_s=12.25,
    users={"ApiUser": 3, "Bändiger": 0},
    seconds=[
        WorkerSecond(10, None, 0.0, {}, []),
        WorkerSecond(
            11, 37.5, 4.25, {0: 1, 400: 19}, [EndpointSecond("GET", "/ü", 3, 1, 900, 80.5, {300: 2, 501: 1}, 2)]
        ),
    ],
    errors=[ErrorCount("GET", "/ü", "status 500", 1)],
    rows=[RowsUsed("accounts", [(0, 3), (7, 8)], [(3, 7)], 4, 1, 0.5, 0, {"ApiUser": 1})],
)
AGENT_MESSAGES = [
    Hello(FACTS),
    Sample(0, 1.5, 1.75, UNKNOWN),
    Sample(86_400, 1e6, 1e6, KNOWN),
    AgentHeartbeat(),
    ClockReply(5.5, 9.25, 1.7e9),
    WorkerEnded("pi1_0", "signal SIGKILL", 1.5, crashing=True),
    WorkerRecovered("pi1_0"),
    ProjectRequest("0a" * 32, 65_536),
    Leave(),
]
WORK = Work(
    "run", {"ApiUser": UserShare(weight=1.5), "NodeUser": UserShare(fixed_count=3)}, "http://[::1]:8080", 7, 10.0
)
CONTROLLER_MESSAGES = [
    Welcome(1.0),
    Assign(Assignment(WORK, 0, 1)),
    Assign(Assignment(WORK, 499, 500, workers=8, project=Project("0a" * 32, 70_000, 1 << 20))),
    ProjectPart("0a" * 32, 65_536, bytes(range(256))),
    HelloRequest(),
    ClockRequest(7.5),
    Quit(),
]
WORKER_DATA: list[tuple[str, Any]] = [
    ("client_ready", Ready("2.47.0", (1 << 52) - 1, 1, "run")),
    ("client_stopped", None),
    ("spawning", None),
    ("spawning_complete", UsersRunning({"ApiUser": 2}, 2)),
    ("stats", REPORT),
    ("stats", Report(0, 0, 0, 0.0, {}, [], [])),
    ("end_run", RunEndRequest("run", "the locustfile called runner.quit()")),
    ("project_message", ProjectMessage("names", b"\x93")),
    ("rows_request", RowsRequest("accounts", (1 << 52) - 1, 3, 20, {"ApiUser": 2}, [4, 4, 0], whole=True)),
    ("quit", None),
]


@pytest.mark.parametrize("message", AGENT_MESSAGES, ids=repr)
def test_what_an_agent_says_is_read_as_it_was_meant(message: messages.AgentMessage) -> None:
    """Every message of an agent is decoded as it was encoded, with unknown readings None and never zero."""
    assert messages.decode_agent_message(messages.encode(message)) == message


@pytest.mark.parametrize("message", CONTROLLER_MESSAGES, ids=repr)
def test_what_the_controller_says_is_read_as_it_was_meant(message: messages.ControllerMessage) -> None:
    """Every message to an agent is decoded as it was encoded."""
    assert messages.decode_controller_message(messages.encode(message)) == message


@pytest.mark.parametrize(("kind", "data"), WORKER_DATA, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_worker_says_is_read_as_it_was_meant(kind: str, data: Any) -> None:
    """Every kind of worker message is decoded as the type that the table names for it."""
    assert msgspec.msgpack.decode(messages.encode(data), type=WORKER_MESSAGES[kind]) == data


def test_every_kind_of_worker_message_is_tried_here() -> None:
    """The messages above cover every kind of worker message."""
    assert {kind for kind, _ in WORKER_DATA} == set(WORKER_MESSAGES)


@pytest.mark.parametrize("message", [*AGENT_MESSAGES, REPORT, None, "hello", [], {}], ids=repr)
def test_an_agent_takes_orders_in_the_controllers_words_only(message: Any) -> None:
    """An agent decodes no message but those that the controller sends."""
    with pytest.raises(msgspec.MsgspecError):
        messages.decode_controller_message(messages.encode(message))


@pytest.mark.parametrize("message", [*CONTROLLER_MESSAGES, REPORT, None, "hello", [], {}], ids=repr)
def test_the_controller_hears_agents_in_their_own_words_only(message: Any) -> None:
    """The controller decodes no message as an agent's but those that agents send."""
    with pytest.raises(msgspec.MsgspecError):
        messages.decode_agent_message(messages.encode(message))


@pytest.mark.parametrize("no_time_s", [float("nan"), float("inf"), -1.0])
def test_a_time_that_is_none_is_refused(no_time_s: float) -> None:
    """A sample whose time is NaN, infinite or negative is refused, as it would belong to no second."""
    with pytest.raises(msgspec.ValidationError):
        messages.decode_agent_message(messages.encode(Sample(0, no_time_s, 1.0, UNKNOWN)))
    with pytest.raises(msgspec.ValidationError):
        messages.decode_agent_message(messages.encode(Sample(0, 1.0, no_time_s, UNKNOWN)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("conditions", -1),
        ("conditions_lately", 0x100),
        ("conditions_since_start", None),
        ("conditions", True),
        ("fan_rpm", -1),
        ("fan_step", 1e6),
        ("temperature_c", 1e9),
    ],
)
def test_a_reading_beyond_what_sensors_can_say_is_refused(field: str, value: Any) -> None:
    """A reading with values that no sensor can have is refused, since a node with a key may still be wrong."""
    reading = {**msgspec.to_builtins(UNKNOWN), field: value}
    with pytest.raises(msgspec.ValidationError):
        messages.decode_agent_message(messages.encode(["Sample", 0, 1.0, 1.0, reading]))


@pytest.mark.parametrize("field", ["model", "os", "python", "kernel", "revision"])
def test_facts_without_words_are_refused(field: str) -> None:
    """Facts with an empty text are refused, since what is not known is called unknown."""
    with pytest.raises(msgspec.ValidationError):
        messages.decode_agent_message(messages.encode(["Hello", {**msgspec.to_builtins(FACTS), field: ""}]))


@pytest.mark.parametrize(
    ("identity", "node"), [("pi007", "pi007"), ("pi007_0", "pi007"), ("a-b.c_12", "a-b.c"), ("pi_0_1", "pi"), ("", "")]
)
def test_an_identity_tells_its_node(identity: str, node: str) -> None:
    """An agent's identity is its node's name, and a worker's has its index after that."""
    assert node_of(identity) == node
