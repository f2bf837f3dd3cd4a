"""A response has arrived when the kernel's timestamp says so, as long as that is plausible."""

from __future__ import annotations

import socket
import struct
import sys
import time

import pytest

from worker.http.transport import kernel_timestamps

NOW_S, WALL_S = 5000.0, 1_800_000_000.0
ASKED_S = NOW_S - 1


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_timestamps, "_clock", lambda: NOW_S)
    monkeypatch.setattr(kernel_timestamps, "_wall_clock", lambda: WALL_S)


def timestamp(ago_s: float) -> list[tuple[int, int, bytes]]:
    """The ancillary data of a piece that arrived `ago_s` ago by the wall clock."""
    at_s = WALL_S - ago_s
    return [(socket.SOL_SOCKET, 35, struct.pack("@ll", int(at_s), round(at_s % 1 * 1e9)))]


def test_an_answer_counts_from_when_the_kernel_had_it() -> None:
    """The time of arrival is that of the timestamp, however late the bytes are read."""
    assert kernel_timestamps.received_s(timestamp(0.25), ASKED_S) == pytest.approx(NOW_S - 0.25, abs=1e-6)


def test_what_the_kernel_did_not_note_counts_from_its_reading() -> None:
    assert kernel_timestamps.received_s([], ASKED_S) == NOW_S


@pytest.mark.parametrize("ago_s", [1.5, 3600.0, -0.25, -3600.0])
def test_a_note_from_before_a_change_of_the_wall_clock_says_nothing(ago_s: float) -> None:
    """A timestamp from before the request, or from later than now, is not used."""
    assert kernel_timestamps.received_s(timestamp(ago_s), ASKED_S) == NOW_S


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel tells the round trip")
def test_the_round_trip_of_a_connection_is_known_once_there_is_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as sock:
        assert kernel_timestamps.round_trip_s(sock) is None
        begun_s = time.monotonic()
        sock.connect(server.getsockname())
        assert 0 < (kernel_timestamps.round_trip_s(sock) or 0.0) <= time.monotonic() - begun_s


def test_what_is_no_tcp_connection_has_no_round_trip() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        assert kernel_timestamps.round_trip_s(sock) is None
