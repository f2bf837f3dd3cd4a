"""The Merkle tree of RFC 6962, and proofs of inclusion."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.chain.ledger.merkle import EMPTY_ROOT, MerkleTree, is_in_tree, leaf_hash, node_hash

# The tree of the reference implementation's tests, certificate-transparency-go's `merkle` package: leaves, and roots of the first n.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CONTENTS = st.lists(st.binary(max_size=40), min_size=1, max_size=70)


def root_by_definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962, section 2.1 writes it."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root_by_definition(leaves[:half]), root_by_definition(leaves[half:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_implementation(size: int) -> None:
    assert MerkleTree(LEAVES[:size]).root().hex() == ROOTS[size - 1]


@given(CONTENTS)
def test_a_tree_grown_leaf_by_leaf_has_the_root_of_the_definition(leaves: list[bytes]) -> None:
    tree = MerkleTree()
    assert tree.root() == EMPTY_ROOT
    for count, leaf in enumerate(leaves, 1):
        tree.extend([leaf])
        assert tree.root() == root_by_definition(leaves[:count])


@given(CONTENTS, st.data())
def test_a_proof_holds_for_its_own_leaf_place_and_root_alone(leaves: list[bytes], data: st.DataObject) -> None:
    tree = MerkleTree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    path, root = tree.proof(index), tree.root()
    assert is_in_tree(leaves[index], index, len(leaves), path, root)
    assert not is_in_tree(leaves[index] + b"x", index, len(leaves), path, root)
    assert not is_in_tree(leaves[index], index, len(leaves), path, sha256(root).digest())
    assert not is_in_tree(leaves[index], index, len(leaves), [*path, root], root)
    assert not is_in_tree(leaves[index], -1, len(leaves), path, root)
    assert not is_in_tree(leaves[index], len(leaves), len(leaves), path, root)
    if path:
        assert not is_in_tree(leaves[index], index, len(leaves), path[:-1], root)
        changed = data.draw(st.integers(0, len(path) - 1))
        forged = [sha256(step).digest() if at == changed else step for at, step in enumerate(path)]
        assert not is_in_tree(leaves[index], index, len(leaves), forged, root)


def test_a_node_can_not_be_passed_off_as_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert not is_in_tree(left + right, 0, 1, [], MerkleTree([b"a", b"b"]).root())


def test_there_is_no_proof_for_a_leaf_that_is_not_there() -> None:
    for index in (-1, 2):
        with pytest.raises(IndexError):
            MerkleTree([b"a", b"b"]).proof(index)
