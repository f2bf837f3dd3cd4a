"""When a response reached this machine, by the kernel's timestamp.

A process that is kept from running (a busy core, a throttled one, user code that blocks the event loop) reads a response
later than it came. That is no doing of the target's, so a latency ends when the kernel had the response's last byte. Linux
timestamps each piece that comes on request (SO_TIMESTAMPNS, by the wall clock); elsewhere the time of reading is all there is.
So it is with a new connection: the kernel knows its round trip as well (TCP_INFO).
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time

ANCILLARY_BYTES = 64
"""Room for the timestamp beside what is received: a header of 16 bytes, and two numbers."""
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python does not name it
_ROUND_TRIP_AT, _SENT_AGAIN_AT, _TCP_INFO_BYTES = (
    68,
    100,
    104,
)  # in struct tcp_info of linux/tcp.h, which only ever grows
_u32 = struct.Struct("@I").unpack_from
_timespec = struct.Struct("@ll").unpack  # of the kernel's own word length, as the number above promises

_clock = time.monotonic
_wall_clock = time.time


def enable_timestamps(sock: socket.socket) -> None:
    """Have the kernel timestamp what `sock` receives; where it can't, nothing is timestamped."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def received_s(ancillary: list[tuple[int, int, bytes]], sent_s: float) -> float:
    """When the last byte of what was just received came, on the monotonic clock; now, if there is no timestamp of it.

    `ancillary` is what `recvmsg` gave beside the bytes. Its timestamp is by the wall clock: should that have been set in
    between, so that the response came before the request was sent at `sent_s`, or is yet to come, it is not used.
    """
    now_s = _clock()
    if ancillary:
        seconds, nanoseconds = _timespec(ancillary[0][2])
        ago_s: float = _wall_clock() - seconds - nanoseconds * 1e-9
        if 0.0 < ago_s < now_s - sent_s:
            return now_s - ago_s
    return now_s


def round_trip_s(sock: socket.socket) -> float | None:
    """Seconds of the round trip in which `sock`, used for nothing yet, was connected; None if it is not known.

    It is not when a packet had to be sent again, for then the response may be to either of them (Karn's algorithm, RFC 6298 3).
    """
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:
        return None
    if len(info) < _TCP_INFO_BYTES or _u32(info, _SENT_AGAIN_AT)[0]:
        return None
    microseconds: int = _u32(info, _ROUND_TRIP_AT)[0]
    return microseconds / 1e6 or None
