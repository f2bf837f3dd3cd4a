"""Merkle trees as RFC 6962, section 2.1, has them: the root over leaves, and whether an audit path proves that a leaf is among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256


def proves(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` leads from `leaf`, the one at `index` of `size`, to the Merkle root."""
    if not 0 <= index < size:
        return False
    node, last = sha256(b"\x00" + leaf).digest(), size - 1
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    return last == 0 and node == root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The Merkle root over these leaves, some dozens at most; that over none is the hash of nothing."""
    nodes = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    if not nodes:
        return sha256().digest()
    while len(nodes) > 1:
        # An odd one at the end goes up as it is: the left half of a tree has a power of two of leaves.
        paired = [sha256(b"\x01" + left + right).digest() for left, right in zip(nodes[::2], nodes[1::2], strict=False)]
        nodes = [*paired, *nodes[len(paired) * 2 :]]
    return nodes[0]
