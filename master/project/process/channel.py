"""Messages over a socket between two processes: each behind its length, in four bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from socket import socket
from typing import Generic, TypeVar

import msgspec
from gevent.lock import BoundedSemaphore

from master.project.process.messages import MAX_BYTES, encode

_LENGTH = struct.Struct("!I")
_READ_BYTES = 1 << 16

T = TypeVar("T")


class ChannelError(Exception):
    """Raised when the other end says what it must not."""


def framed(message: msgspec.Struct) -> bytes:
    """A message as it goes over the socket. Raises ChannelError when it is longer than MAX_BYTES."""
    payload = encode(message)
    if len(payload) > MAX_BYTES:
        raise ChannelError(f"a message of {len(payload)} bytes, and {MAX_BYTES} is the most")
    return _LENGTH.pack(len(payload)) + payload


class Channel(Generic[T]):
    """One end of the socket. One greenlet receives; several may send, each message whole."""

    def __init__(self, end: socket, decode: Callable[[bytes], T]) -> None:
        self._socket = end
        self._decode = decode
        self._unread = bytearray()
        self._sending = BoundedSemaphore()

    def send(self, message: msgspec.Struct) -> None:
        """Send a message. Raises OSError when the other end has gone, ChannelError when it is too long."""
        data = framed(message)
        with self._sending:
            self._socket.sendall(data)

    def receive(self) -> T:
        """The next message. Raises EOFError when the other end has gone, ChannelError when what it says is no message."""
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if length > MAX_BYTES:
            raise ChannelError(f"a message of {length} bytes, and {MAX_BYTES} is the most")
        try:
            return self._decode(self._read(length))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ChannelError(f"a message that can't be decoded: {error}") from error

    def _read(self, count: int) -> bytes:
        while len(self._unread) < count:
            try:
                part = self._socket.recv(_READ_BYTES)
            except OSError as error:
                raise EOFError(str(error)) from error
            if not part:
                raise EOFError
            self._unread += part
        read = bytes(self._unread[:count])
        del self._unread[:count]
        return read

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
