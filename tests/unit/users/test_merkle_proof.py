"""The users' own Merkle trees agree with the target's, and refuse a proof in which anything is wrong."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.chain.ledger.merkle import MerkleTree
from worker.users.lucid.merkle_proof import proves, root_of

LEAVES = st.lists(st.binary(max_size=40), min_size=1, max_size=70)


@given(LEAVES)
def test_the_root_is_that_of_the_target(leaves: list[bytes]) -> None:
    assert root_of(leaves) == MerkleTree(leaves).root()


def test_the_root_over_nothing_is_the_hash_of_nothing() -> None:
    assert root_of([]) == MerkleTree([]).root() == sha256().digest()


@given(LEAVES, st.data())
def test_the_targets_proof_of_every_leaf_is_accepted(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    tree = MerkleTree(leaves)
    assert proves(leaves[index], index, len(leaves), tree.proof(index), tree.root())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9])
def test_a_proof_in_which_anything_is_wrong_is_refused(size: int) -> None:
    leaves = [bytes([number]) for number in range(size)]
    tree = MerkleTree(leaves)
    root, other = tree.root(), sha256(b"other").digest()
    for index, leaf in enumerate(leaves):
        path = tree.proof(index)
        assert not proves(b"another", index, size, path, root)
        assert not proves(leaf, index, size, path, other)
        assert not proves(leaf, index, size, [*path, other], root)
        assert not proves(leaf, -1, size, path, root)
        assert not proves(leaf, size, size, path, root)
        for place in range(len(path)):
            assert not proves(leaf, index, size, [*path[:place], other, *path[place + 1 :]], root)
            assert not proves(leaf, index, size, path[:place], root)
