"""The node's own key pair: `python3 -m worker.agent.keys DIRECTORY` makes it unless it is there, and prints the public half.

The secret half is in `node.secret` (mode 0600) and leaves the node never; `node.public` beside it is for everybody.
"""

from __future__ import annotations

import sys
from pathlib import Path

import zmq

from worker.atomic_write import atomic_write
from worker.wire.curve import Keys, new_keys

SECRET = "node.secret"  # noqa: S105  # a file's name
PUBLIC = "node.public"


def read_keys(directory: Path) -> Keys:
    """Read the key pair in `directory`. Raises OSError, or ValueError when it is not valid."""
    try:
        secret = (directory / SECRET).read_text("ascii").strip()
        return Keys(zmq.curve_public(secret.encode()).decode(), secret)
    except (ValueError, zmq.ZMQError):
        # What is there is not shown: it may be most of a key.
        raise ValueError(f"{directory / SECRET} holds no secret key") from None


def node_keys(directory: Path) -> Keys:
    """The key pair in `directory`, made when there is none. Raises OSError, or ValueError when it is not valid.

    A pair is never half written, and never replaced: a node that lost its keys has to be enrolled again.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        keys = read_keys(directory)
    except FileNotFoundError:
        keys = new_keys()
        atomic_write(directory / SECRET, f"{keys.secret}\n".encode())
    public = f"{keys.public}\n".encode()
    try:
        current = (directory / PUBLIC).read_bytes()
    except FileNotFoundError:
        current = b""
    if current != public:
        atomic_write(directory / PUBLIC, public, 0o644)
    return keys


def main() -> int:
    """Print the public key of the node whose keys are in the directory named."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python3 -m worker.agent.keys DIRECTORY\n")
        return 2
    try:
        keys = node_keys(Path(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{keys.public}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
