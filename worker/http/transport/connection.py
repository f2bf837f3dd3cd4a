"""One connection to a server: sends a request, and wakes the greenlet that waits when its response is there.

Theory of operation. The hub watches the socket all the time, reads in its own callback, and switches to the waiting greenlet
once, when the response is complete. So a request costs one send, one receive and two switches; no call asks whether an idle
connection still lives, since the hub learns at once when the server closes it; and no timer starts and stops with each
request: one that runs already finds out, when it ends, whether the response is late.

    IDLE ── request ─► AWAITING ─┬─ response complete ─► IDLE
                       ▲     └─ head of a streamed ─► PAUSED
                       └──────── read_more ─────────────┘
    any ── close, an error, a time limit, a kill of the waiter, a byte or the end while IDLE ─► CLOSED

AWAITING is `_awaiting`, CLOSED is `closed`; a PAUSED connection is one whose reader has a head and is not complete. The
framing of the response is the reader's business (protocol.reader).

Invariants:

- One request at a time, no pipelining (RFC 9112 9.3.2): what comes while AWAITING is the response to the request sent last.
- An open connection is watched, unless it is PAUSED: then the kernel's buffer fills, and TCP slows the server down to what
  the task reads. What comes while IDLE is no response to anything; the connection is closed (9.5).
- Only a greenlet that waits in the hub for this very connection is in `_waiter`, and nothing else is switched to.
- Callbacks of the hub raise nothing. An error is kept in `_error`, and raised where the request is waited for.
- `request`, `request_with_body` and `read_more` either return with the connection open, or closed by the server behind a complete
  response, or raise with it closed.
- Nothing is sent after a request that was left unfinished, nor after TLS has ended (9.8): such a connection is `unusable`.
  A response may come before its request is sent in whole: sending stops, and the response counts (9.5).
- Time limits run from signs of life. `_last_activity_s` moves with each byte received and each part of a body sent, and is infinite
  while the server owes none; `total_s` runs from `sent_s`.
- `sent_s`, `answered_s` and `timestamped` are those of the request sent last; what they mean for a latency is in
  transport.kernel_timestamps.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import gevent
from gevent import getcurrent

from worker.http.errors import BadAnswerError
from worker.http.protocol.reader import Reader
from worker.http.transport.kernel_timestamps import ANCILLARY_BYTES, received_s
from worker.http.transport.tls import TlsCodec

READ, WRITE = 1, 2  # libev's, as gevent's loop takes them
_RECEIVE_BYTES = 64 * 1024
_CONTINUE_WAIT_S = 1.0  # for "100 Continue", as curl waits; RFC 9110 10.1.1 has a client go on without it in the end

_clock = time.monotonic


class ResponseLimits(NamedTuple):
    """Limits of one response: seconds of silence, seconds from request to last byte, bytes of a body that is read whole."""

    silence_s: float
    total_s: float
    max_body_bytes: int


class Connection:
    """An open, non-blocking `sock`, encrypted by `tls` if that is not None; for one request at a time."""

    __slots__ = (
        "_awaiting",
        "_error",
        "_hub",
        "_last_activity_s",
        "_receive",
        "_sending",
        "_sock",
        "_timer",
        "_tls",
        "_unlimited",
        "_waiter",
        "_watcher",
        "answered_s",
        "closed",
        "connect_unread_s",
        "limits",
        "reader",
        "sent_s",
        "timestamped",
        "unusable",
    )

    def __init__(
        self, sock: socket.socket, tls: TlsCodec | None, limits: ResponseLimits, connect_unread_s: float | None = None
    ) -> None:
        self._hub = gevent.get_hub()
        self._sock = sock
        self._receive = sock.recvmsg
        self._tls = tls
        self.limits = limits
        """Limits of the request under way, or of the next."""
        self._awaiting = False
        self._sending = False
        self._waiter: Any = (
            None  # the greenlet that waits in the hub for this connection, which alone may be switched to
        )
        self._error: BaseException | None = None
        self._timer: Any = None
        self._unlimited = False  # a stream takes as long as its reader does
        self._last_activity_s = 0.0  # when the server last gave a sign of life; infinite while it owes none
        self.sent_s = 0.0
        """When the request was handed over, on the monotonic clock."""
        self.answered_s = 0.0
        """When the last byte of the response, or of a streamed one's head, was there, on the monotonic clock."""
        self.timestamped = False
        """Whether `answered_s` is by the kernel's timestamp, and not when the bytes were read."""
        self.reader = Reader(limits.max_body_bytes)
        self.connect_unread_s = connect_unread_s
        """Seconds, while it was made, in which the process did not look at what had come; None if the kernel did not tell."""
        self.closed = False
        self.unusable = False
        """Whether no other request can follow: one was left unfinished, or TLS has ended."""
        self._watcher = self._hub.loop.io(sock.fileno(), READ)
        self._watcher.start(self._on_readable)

    def set_limits(self, limits: ResponseLimits) -> None:
        """Set the limits of the next request and those after it."""
        self.limits = limits
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def request(self, request: bytes, bodiless: bool, streamed: bool) -> None:
        """Send a whole request and wait for its response, which is in `reader`: all of it, or its head if it is `streamed`.

        A response to HEAD is `bodiless`. Raises FAILURES. Any error, and a kill of the greenlet, closes the connection.
        """
        try:
            self._begin(bodiless, streamed)
            self._send(request)
            self._waiter = getcurrent()
            while self._awaiting:
                self._hub.switch()
        except BaseException:
            self._waiter = None
            self.close()
            raise
        self._waiter = None
        if self._error is not None:
            raise self._error

    def request_with_body(
        self, request: bytes, pieces: Iterable[bytes], bodiless: bool, streamed: bool, *, expects: bool
    ) -> None:
        """Like `request`, with a body that comes in `pieces`; if the request `expects` "100 Continue", after that (RFC 9110 10.1.1).

        A response that comes first ends the sending, and the connection, which is then in the middle of a request.
        """
        try:
            self._begin(bodiless, streamed)
            self._send(request)
            if expects:
                self._wait_to_continue()
            self._send_pieces(pieces)
            self._wait()
        except BaseException:
            self.close()
            raise

    def read_more(self) -> None:
        """Wait for more of a streamed response. Raises FAILURES."""
        try:
            if self._tls is not None and self._tls.ended:
                self.reader.end()  # nothing more can come, though the connection below is open
                self.close()
                return
            self._awaiting = True
            self._last_activity_s = _clock()
            self._unlimited = True
            self._set_timer()
            self._watcher.start(self._on_readable)
            self._wait()
        except BaseException:
            self.close()
            raise

    def is_alive(self) -> bool:
        """Whether an idle connection can be used, after one read for what the hub had no time to see yet."""
        if not self.closed:
            self._on_readable()
        return not self.closed

    def close(self) -> None:
        """Close the socket, in any state; waiting for a response ends."""
        if self.closed:
            return
        self.closed = True
        self._awaiting = False
        self._watcher.stop()
        self._watcher.close()
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        self._sock.close()

    def _begin(self, bodiless: bool, streamed: bool) -> None:
        self.reader.begin(bodiless, streamed)
        self._error = None
        self.sent_s = self._last_activity_s = _clock()
        self._unlimited = False
        if self._timer is None:
            self._set_timer()
        self._awaiting = True

    def _wait(self) -> None:
        """Wait in the hub for the response. Raises what came instead."""
        self._waiter = getcurrent()
        try:
            while self._awaiting:
                self._hub.switch()
        finally:
            self._waiter = None
        if self._error is not None:
            raise self._error

    def _send(self, data: bytes) -> None:
        """Give all of `data` to the system, unless a response or an error comes first; an error of sending is kept."""
        if self._tls is not None:
            data = self._tls.encrypt(data)
        try:
            sent = self._sock.send(data)
            if sent == len(data):
                return
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._sending_failed(error)
            return
        self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, left: memoryview) -> None:
        self._sending = True
        self._waiter = getcurrent()
        writable = self._hub.loop.io(self._sock.fileno(), WRITE)
        writable.start(self._waiter.switch)
        try:
            while left and self._awaiting:
                self._hub.switch()
                try:
                    if self._awaiting:
                        left = left[self._sock.send(left) :]
                        self._last_activity_s = _clock()
                except BlockingIOError:
                    pass
                except OSError as error:
                    self._sending_failed(error)
                    return
        finally:
            self._waiter = None
            self._sending = False
            self.unusable = self.unusable or len(left) > 0
            writable.stop()
            writable.close()

    def _sending_failed(self, error: OSError) -> None:
        # The server may have answered before it closed (413, say): the response counts, and if there is none, this error.
        if self._error is None:
            self._error = type(error)(error.errno, f"{error.strerror} while the request was sent")

    def _send_pieces(self, pieces: Iterable[bytes]) -> None:
        for piece in self._untimed(pieces):
            if not self._awaiting or self._error is not None:
                self.unusable = True
                return
            if piece:
                self._send(piece)

    def _untimed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces; the time in which the task makes one is no silence of the server."""
        each = iter(pieces)
        while True:
            self._last_activity_s = math.inf
            piece = next(each, None)
            self._last_activity_s = _clock()
            if not self.closed:
                self._set_timer()
            if piece is None:
                return
            yield piece

    def _wait_to_continue(self) -> None:
        waiter = self._waiter = getcurrent()
        self._last_activity_s = math.inf  # a server that does not know the question says nothing
        patience = self._hub.loop.timer(_CONTINUE_WAIT_S)
        patience.start(lambda: waiter.switch(patience))
        try:
            while self._awaiting and not self.reader.interims and self._hub.switch() is not patience:
                pass
        finally:
            self._waiter = None
            self._last_activity_s = _clock()
            patience.close()

    def _on_readable(self) -> None:
        """Read once, in the hub. Raises nothing."""
        try:
            data, ancillary, _, _ = self._receive(_RECEIVE_BYTES, ANCILLARY_BYTES)
            if self._tls is not None and data:
                data = self._decrypt(self._tls, data)
                if self._tls.ended:
                    self.unusable = True
                elif not data:
                    return
            if not self._awaiting:
                # The server has closed an idle connection, or says what nobody asked: nothing more may be sent on it.
                self.close()
            elif not data:
                self._end()
            elif self.reader.feed(data):
                self.answered_s = received_s(ancillary, self.sent_s)
                self.timestamped = bool(ancillary)
                self._wake()
            elif self._tls is not None and self._tls.ended:
                self._end()
            else:
                self._last_activity_s = _clock()
                if self.reader.interims and self._waiter is not None:
                    self._waiter.switch()  # it may wait to continue
        except (BlockingIOError, InterruptedError):
            pass  # nothing to read after all
        except Exception as error:  # noqa: BLE001  # a mistake of ours, too, belongs to the one who waits
            self._fail(error)

    def _decrypt(self, tls: TlsCodec, data: bytes) -> bytes:
        plain = tls.decrypt(data)
        # What TLS has to say itself, a key update say (RFC 8446 4.6.3), waits for the end of a record that is half sent.
        if not self._sending and (reply := tls.reply()) and self._sock.send(reply) != len(reply):
            raise ConnectionAbortedError("the server does not read what TLS has to answer")
        return plain

    def _end(self) -> None:
        """The server has closed."""
        begun = self.reader.begun
        try:
            self.reader.end()
        except BadAnswerError as error:
            self._fail(error if begun else ConnectionResetError(str(error)))
        else:
            self._finish(None)

    def _fail(self, error: BaseException) -> None:
        self._finish(self._error or error)

    def _finish(self, error: BaseException | None) -> None:
        self._error = error
        self.answered_s = _clock()
        self.timestamped = False
        self.close()
        if self._waiter is not None:
            self._waiter.switch()

    def _wake(self) -> None:
        if not self.reader.complete:  # streamed: what comes next waits until it is asked for
            self._watcher.stop()
        self._error = None
        self._awaiting = False
        if self._waiter is not None:
            self._waiter.switch()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
        self._timer = self._hub.loop.timer(max(0.0, min(self._due_s()) - _clock()))
        self._timer.start(self._on_timer)

    def _due_s(self) -> tuple[float, float]:
        """When the silence will be too long, and when the response will have taken too long, on the monotonic clock."""
        limits = self.limits
        return self._last_activity_s + limits.silence_s, math.inf if self._unlimited else self.sent_s + limits.total_s

    def _on_timer(self) -> None:
        """Fail a late response, in the hub. The timer may also have outlived its request."""
        self._timer.close()
        self._timer = None
        if not self._awaiting:
            return
        now_s = _clock()
        silence_due_s, answer_due_s = self._due_s()
        if now_s >= answer_due_s:
            self._fail(TimeoutError(f"the answer was not complete within {self.limits.total_s:g} s"))
        elif now_s >= silence_due_s:
            what = "the answer stalled for" if self.reader.begun else "no answer for"
            self._fail(TimeoutError(f"{what} {self.limits.silence_s:g} s"))
        else:
            self._set_timer()
