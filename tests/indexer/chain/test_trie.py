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
