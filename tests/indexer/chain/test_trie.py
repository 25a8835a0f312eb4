import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from indexer.chain.trie import EMPTY_ROOT, ordered_trie_root, rlp_encode, rlp_integer


def test_empty_root_is_the_one_of_every_empty_block() -> None:
    assert ordered_trie_root([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=140))
def test_root_equals_the_trie_library_for_any_values(values: list[bytes]) -> None:
    theirs = HexaryTrie(db={})
    for index, value in enumerate(values):
        theirs[rlp_encode(rlp_integer(index))] = value
    assert ordered_trie_root(values) == theirs.root_hash


def test_root_equals_the_trie_library_when_keys_have_three_bytes() -> None:
    values = [bytes([n % 251 + 1]) * (n % 70 + 1) for n in range(300)]
    theirs = HexaryTrie(db={})
    for index, value in enumerate(values):
        theirs[rlp_encode(rlp_integer(index))] = value
    assert ordered_trie_root(values) == theirs.root_hash


NESTED = st.recursive(
    st.binary(max_size=70), lambda inside: st.lists(inside, max_size=5), max_leaves=12
)


@settings(max_examples=80, deadline=None)
@given(structure=NESTED)
def test_rlp_equals_the_rlp_library_for_any_structure(structure: object) -> None:
    assert rlp_encode(structure) == rlp.encode(structure)


def test_rlp_equals_the_rlp_library_at_every_length_of_a_prefix() -> None:
    for length in (0, 1, 55, 56, 255, 256, 65_535, 65_536):
        assert rlp_encode(b"\x80" * length) == rlp.encode(b"\x80" * length)
        assert rlp_encode([b"\x01"] * length) == rlp.encode([b"\x01"] * length)
    assert rlp_encode(b"\x7f") == rlp.encode(b"\x7f")


def test_rlp_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="not int"):
        rlp_encode([1])
