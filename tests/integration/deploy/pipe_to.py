"""A ProxyCommand: `pipe_to.py HOST PORT` joins its standard input and output to a connection."""

from __future__ import annotations

import os
import socket
import sys
import threading


def main() -> None:
    link = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
    link.settimeout(None)

    def back() -> None:
        while part := link.recv(65536):
            os.write(1, part)
        os._exit(0)

    threading.Thread(target=back, daemon=True).start()
    while part := os.read(0, 65536):
        link.sendall(part)


if __name__ == "__main__":
    main()
