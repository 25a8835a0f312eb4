"""RLP, and the root of an ordered Merkle-Patricia trie, as block headers commit to receipts.

Own code because a backfill proves thousands of blocks a second: the trie library keeps every node
of a trie that is thrown away, the RLP library inspects every value's class; tests compare both with
this. Source: Ethereum yellow paper, appendix B (RLP), D (trie), C (hex-prefix encoding).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import sha3

_NODE_INLINE_MAX = 32
"""Nodes shorter than a hash stand in their parent themselves."""
_LEAF_FLAG = 2
_BRANCH_WIDTH = 16
_SHORT_MAX = 55
_STRING = 0x80
_LIST = 0xC0
_EMPTY_STRING = b"\x80"


def keccak(payload: bytes) -> bytes:
    """Keccak-256, 32 bytes."""
    return bytes(sha3.keccak_256(payload).digest())


def rlp_encode(structure: object) -> bytes:
    """RLP of bytes and nested lists of bytes.

    Raises:
        TypeError: The structure holds something else.
    """
    if isinstance(structure, bytes):
        if len(structure) == 1 and structure[0] < _STRING:
            return structure
        return _prefix(_STRING, len(structure)) + structure
    if not isinstance(structure, list | tuple):
        raise TypeError(f"RLP knows bytes and lists, not {type(structure).__name__}")
    return rlp_list([rlp_encode(item) for item in structure])


def rlp_list(items: Sequence[bytes]) -> bytes:
    """RLP of a list whose items are encoded already."""
    payload = b"".join(items)
    return _prefix(_LIST, len(payload)) + payload


def rlp_integer(number: int) -> bytes:
    """An integer as RLP writes it: big-endian, no leading zero, empty for zero."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def string_prefix(length: int) -> bytes:
    """What stands before a string of this many bytes; a single byte below 0x80 has none."""
    return _prefix(_STRING, length)


def list_prefix(length: int) -> bytes:
    """What stands before a list whose encoded items have this many bytes together."""
    return _prefix(_LIST, length)


@lru_cache(maxsize=1 << 14)
def _prefix(offset: int, length: int) -> bytes:
    if length <= _SHORT_MAX:
        return bytes([offset + length])
    written = rlp_integer(length)
    return bytes([offset + _SHORT_MAX + len(written)]) + written


EMPTY_ROOT = keccak(_EMPTY_STRING)


def ordered_trie_root(values: Sequence[bytes]) -> bytes:
    """Root of the trie that maps ``rlp(index)`` to each value.

    Args:
        values: Encoded receipts or transactions, in block order.
    """
    return keccak(_encode(_shape(len(values)), values)) if values else EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class _Leaf:
    path: bytes
    """Hex-prefix encoded, then RLP."""
    index: int


@dataclass(frozen=True, slots=True)
class _Extension:
    path: bytes
    child: "_Node"


@dataclass(frozen=True, slots=True)
class _Branch:
    children: "tuple[_Node | None, ...]"


_Node = _Leaf | _Extension | _Branch


@lru_cache(maxsize=64)
def _shape(count: int) -> _Node:
    """The trie of this many values without them: it depends on nothing else."""
    keys = sorted((_nibbles(rlp_encode(rlp_integer(index))), index) for index in range(count))
    return _grow(keys, 0)


def _grow(keys: list[tuple[bytes, int]], depth: int) -> _Node:
    """The node that holds ``keys``, which agree before ``depth``.

    No key is a prefix of another, because RLP of an integer is prefix-free: a branch never holds a
    value of its own.
    """
    first, index = keys[0]
    if len(keys) == 1:
        return _Leaf(rlp_encode(_hex_prefix(first[depth:], _LEAF_FLAG)), index)
    last = keys[-1][0]
    fork = depth
    while first[fork] == last[fork]:
        fork += 1
    if fork > depth:
        return _Extension(rlp_encode(_hex_prefix(first[depth:fork], 0)), _grow(keys, fork))
    children: list[list[tuple[bytes, int]]] = [[] for _ in range(_BRANCH_WIDTH)]
    for key in keys:
        children[key[0][depth]].append(key)
    return _Branch(tuple(_grow(child, depth + 1) if child else None for child in children))


def _encode(node: _Node, values: Sequence[bytes]) -> bytes:
    match node:
        case _Leaf(path, index):
            return rlp_list((path, rlp_encode(values[index])))
        case _Extension(path, child):
            return rlp_list((path, _reference(child, values)))
        case _Branch(children):
            slots = [_EMPTY_STRING if one is None else _reference(one, values) for one in children]
            return rlp_list([*slots, _EMPTY_STRING])


def _reference(node: _Node, values: Sequence[bytes]) -> bytes:
    encoded = _encode(node, values)
    return encoded if len(encoded) < _NODE_INLINE_MAX else b"\xa0" + keccak(encoded)


def _nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 0xF))


def _hex_prefix(nibbles: bytes, flag: int) -> bytes:
    padded = [flag + 1, *nibbles] if len(nibbles) % 2 else [flag, 0, *nibbles]
    return bytes((high << 4) | low for high, low in zip(padded[::2], padded[1::2], strict=True))
