"""Root of an ordered Merkle-Patricia trie, as block headers commit to receipts.

Own code because the root of a block at the tip is needed within milliseconds and the trie library
keeps every node of a trie that is thrown away; tests compare the two. Source: Ethereum yellow
paper, appendix D; hex-prefix encoding, appendix C.
"""

from collections.abc import Sequence

import sha3
from rlp.codec import encode_raw

_NODE_INLINE_MAX = 32
"""Nodes shorter than a hash stand in their parent themselves."""
_LEAF_FLAG = 2
_BRANCH_WIDTH = 16

Structure = list[object]
"""An unencoded trie node: bytes, or nodes short enough to be inline."""


def keccak(payload: bytes) -> bytes:
    """Keccak-256, 32 bytes."""
    return bytes(sha3.keccak_256(payload).digest())


def rlp_encode(structure: object) -> bytes:
    """RLP of bytes and nested lists of bytes."""
    return bytes(encode_raw(structure))


def rlp_integer(number: int) -> bytes:
    """An integer as RLP writes it: big-endian, no leading zero, empty for zero."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


EMPTY_ROOT = keccak(rlp_encode(b""))


def ordered_trie_root(values: Sequence[bytes]) -> bytes:
    """Root of the trie that maps ``rlp(index)`` to each value.

    Args:
        values: Encoded receipts or transactions, in block order.
    """
    if not values:
        return EMPTY_ROOT
    pairs = sorted(
        (_nibbles(rlp_encode(rlp_integer(index))), value) for index, value in enumerate(values)
    )
    return keccak(rlp_encode(_node(pairs, 0)))


def _node(pairs: list[tuple[bytes, bytes]], depth: int) -> Structure:
    """Build the node that holds ``pairs``, whose keys agree before ``depth``.

    No key is a prefix of another, because RLP of an integer is prefix-free: a branch never holds a
    value of its own.
    """
    first, value = pairs[0]
    if len(pairs) == 1:
        return [_hex_prefix(first[depth:], _LEAF_FLAG), value]
    last = pairs[-1][0]
    fork = depth
    while first[fork] == last[fork]:
        fork += 1
    if fork > depth:
        return [_hex_prefix(first[depth:fork], 0), _reference(_node(pairs, fork))]
    children: list[list[tuple[bytes, bytes]]] = [[] for _ in range(_BRANCH_WIDTH)]
    for pair in pairs:
        children[pair[0][depth]].append(pair)
    return [*(_reference(_node(child, depth + 1)) if child else b"" for child in children), b""]


def _reference(node: Structure) -> object:
    encoded = rlp_encode(node)
    return node if len(encoded) < _NODE_INLINE_MAX else keccak(encoded)


def _nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 0xF))


def _hex_prefix(nibbles: bytes, flag: int) -> bytes:
    padded = [flag + 1, *nibbles] if len(nibbles) % 2 else [flag, 0, *nibbles]
    return bytes((high << 4) | low for high, low in zip(padded[::2], padded[1::2], strict=True))
