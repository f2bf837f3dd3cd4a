"""Failures of a request for which the node lacked a resource, and in which the target had no part."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

_REMEDIES = {
    errno.EADDRNOTAVAIL: "no free local port: widen net.ipv4.ip_local_port_range, keep connections, or use more nodes",
    errno.EMFILE: "no free file descriptor in this process: raise the limit (ulimit -n, LimitNOFILE=), or fewer users a node",
    errno.ENFILE: "no free file descriptor on this machine: raise fs.file-max, or fewer users a node",
    errno.ENOBUFS: "no buffer space left for sockets: fewer users a node, or raise net.core and net.ipv4.tcp_mem",
    errno.ENOMEM: "no memory left: fewer users a node",
    errno.ENETDOWN: "the node's network is down",
    errno.ENETUNREACH: "the node has no route to the target",
}
_MAX_CAUSES = 8


def local_error(error: BaseException) -> str | None:
    """The resource that the node lacked when a request failed with `error`, with the remedy; None for any other failure."""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return f"the node can't resolve the target's name ({cause.strerror or cause}): check its DNS, or use an address"
        if isinstance(cause, MemoryError):
            return f"ENOMEM: {_REMEDIES[errno.ENOMEM]}"
        if isinstance(cause, OSError) and cause.errno in _REMEDIES:
            return f"{errno.errorcode[cause.errno]}: {_REMEDIES[cause.errno]}"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and the exceptions that it wraps as cause, context, reason, or one of its first two arguments."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _MAX_CAUSES:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args[:2])
        waiting += [part for part in inner if isinstance(part, BaseException)]
