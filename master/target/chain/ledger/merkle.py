"""The Merkle tree over a block's transactions, and proofs that one of them is in it.

The tree is that of RFC 6962, section 2.1: SHA-256, with 0x00 before what a leaf hashes and 0x01 before what a node does, so
that no node can be passed off as a leaf. The proof is checked as in RFC 9162, section 2.1.3.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf with that content."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two hashes."""
    return sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree that grows leaf by leaf: each costs two hashes on average, so a long list can be added in portions.

    `_levels[k]` holds the hashes of the complete subtrees of 2**k leaves, from the left. What is right of them, if the
    number of leaves is no power of two, is worked out when it is asked for.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        self.extend(leaves)

    def __len__(self) -> int:
        return len(self._levels[0])

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves with these contents."""
        levels = self._levels
        for data in leaves:
            made = leaf_hash(data)
            for level in levels:
                level.append(made)
                if len(level) % 2:
                    break
                made = node_hash(level[-2], made)
            else:
                levels.append([made])

    def root(self) -> bytes:
        """The hash over all leaves."""
        return self._edges()[-1] or EMPTY_ROOT

    def proof(self, index: int) -> list[bytes]:
        """The audit path of a leaf, from the bottom up. Raises IndexError for one that is not there."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        path: list[bytes] = []
        for level, edge in zip(self._levels, self._edges(), strict=False):
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            elif sibling == len(level) and edge is not None:
                path.append(edge)
            index >>= 1
        return path

    def _edges(self) -> list[bytes | None]:
        """By level, the hash of the incomplete subtree right of the complete ones; the last is the hash of everything."""
        edges: list[bytes | None] = [None]
        for level in self._levels:
            edge = edges[-1]
            if len(level) % 2:
                edge = level[-1] if edge is None else node_hash(level[-1], edge)
            edges.append(edge)
        return edges


def is_in_tree(data: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that the leaf at `index` of the `size` leaves below `root` has the content `data`."""
    if not 0 <= index < size:
        return False
    found, last = leaf_hash(data), size - 1
    for sibling in path:
        if last == 0:
            return False
        if index % 2 or index == last:
            found = node_hash(sibling, found)
            while index and not index % 2:
                index, last = index >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and found == root
