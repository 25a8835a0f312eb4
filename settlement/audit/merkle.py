"""The Merkle tree of RFC 6962 §2.1: one root for many leaves, a short proof for each. Pure."""

import hashlib
from collections.abc import Sequence

_LEAF, _NODE = b"\x00", b"\x01"


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves, in their order; at least one."""
    if len(leaves) == 1:
        return _sha256(_LEAF + leaves[0])
    half = _left_leaves(len(leaves))
    return _node(merkle_root(leaves[:half]), merkle_root(leaves[half:]))


def merkle_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """What proves the leaf at an index (from 0) beside its root: siblings, lowest first."""
    if len(leaves) == 1:
        return ()
    half = _left_leaves(len(leaves))
    if index < half:
        return (*merkle_path(leaves[:half], index), merkle_root(leaves[half:]))
    return (*merkle_path(leaves[half:], index - half), merkle_root(leaves[:half]))


def root_of_path(leaf: bytes, path: Sequence[bytes], *, index: int, leaves: int) -> bytes:
    """The root that a leaf and its path lead to.

    Args:
        leaf: The leaf to prove.
        path: As ``merkle_path`` gives it.
        index: The leaf's, from 0.
        leaves: How many there are in the tree.

    Raises:
        ValueError: The path has not the length of that leaf's.
    """
    if leaves == 1 and not path:
        return _sha256(_LEAF + leaf)
    if leaves == 1 or not path:
        raise ValueError("the path has not the length of this leaf's")
    *lower, sibling = path
    half = _left_leaves(leaves)
    if index < half:
        return _node(root_of_path(leaf, lower, index=index, leaves=half), sibling)
    below = root_of_path(leaf, lower, index=index - half, leaves=leaves - half)
    return _node(sibling, below)


def _left_leaves(leaves: int) -> int:
    """How many of two or more leaves hang left of the root: the largest power of two below."""
    return 1 << (leaves - 1).bit_length() - 1


def _node(left: bytes, right: bytes) -> bytes:
    return _sha256(_NODE + left + right)


def _sha256(preimage: bytes) -> bytes:
    return hashlib.sha256(preimage).digest()
