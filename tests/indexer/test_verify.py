from dataclasses import replace

import msgspec
import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.blocks import Header, Receipt
from indexer.chain.receipts import encode_receipt
from indexer.chain.trie import keccak, ordered_trie_root
from indexer.chain.types import BlockHash, BlockNumber, TxHash
from indexer.chain.wire import WireHeader
from indexer.errors import ChainContradiction
from indexer.verify import (
    Contradicted,
    Proven,
    Unprovable,
    UnprovableHeader,
    bloom_holds_any,
    bloom_masks,
    bloom_may_hold,
    bloom_of,
    check_header,
    header_hash,
    judge_header,
    prove_receipts,
)
from tests.support.fake_blocks import FakeLog
from tests.support.fake_chain import FakeChain
from tests.support.protocol_logs import TOKEN, address, transfer


@pytest.fixture
def chain() -> FakeChain:
    chain = FakeChain()
    chain.mine([transfer(address("a"), 1), transfer(address("b"), 2)], [], [transfer(TOKEN, 3)])
    return chain


def with_root(header: Header, root: bytes) -> Header:
    """The header with another receipts root, hashed again."""
    changed = replace(header, fields=(*header.fields[:5], root, *header.fields[6:]))
    return replace(changed, hash=BlockHash(header_hash(changed)))


def test_check_header_refuses_when_a_field_was_changed(chain: FakeChain) -> None:
    header = chain.head
    assert check_header(header) is header
    with pytest.raises(ChainContradiction, match="header 1 hashes to"):
        check_header(replace(header, fields=(bytes(32), *header.fields[1:])))


def test_judge_header_names_each_verdict(chain: FakeChain) -> None:
    header = chain.head
    assert judge_header(header, at=header.number) is None
    assert judge_header(header, at=BlockNumber(7)) == Contradicted("asked for block 7, got 1")
    false = replace(header, fields=(bytes(32), *header.fields[1:]))
    assert isinstance(judge_header(false), Contradicted)
    assert isinstance(judge_header(replace(false, is_known_kind=False)), Unprovable)
    assert judge_header(replace(header, is_known_kind=False)) is None


CELO_BEFORE_ITS_MOVE = {
    "hash": "0x" + "11" * 32,
    "parentHash": "0x" + "22" * 32,
    "miner": "0x" + "33" * 20,
    "stateRoot": "0x" + "44" * 32,
    "transactionsRoot": "0x" + "55" * 32,
    "receiptsRoot": "0x" + "66" * 32,
    "logsBloom": "0x" + "00" * 256,
    "number": "0x1",
    "gasUsed": "0x0",
    "timestamp": "0x5ea06a00",
    "extraData": "0x",
}
WITH_GINGERBREAD = {
    "sha3Uncles": "0x" + "77" * 32,
    "gasLimit": "0x1c9c380",
    "mixHash": "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365",
    "nonce": "0x0000000000000000",
    "difficulty": "0x0",
}


@pytest.mark.parametrize("more", [{}, WITH_GINGERBREAD], ids=("short", "istanbul"))
def test_header_is_unprovable_when_its_kind_cannot_be_hashed(more: dict[str, str]) -> None:
    """Celo's blocks before its move to the OP stack are not false: nothing is known of them."""
    header = msgspec.convert(CELO_BEFORE_ITS_MOVE | more, WireHeader).value()
    assert not header.is_known_kind
    with pytest.raises(UnprovableHeader, match="cannot be recomputed"):
        check_header(header)


def test_header_is_contradicted_when_its_kind_is_known_and_its_hash_wrong() -> None:
    usual = CELO_BEFORE_ITS_MOVE | WITH_GINGERBREAD | {"mixHash": "0x" + "00" * 32}
    header = msgspec.convert(usual, WireHeader).value()
    assert isinstance(judge_header(header), Contradicted)


def test_bloom_masks_find_what_the_values_find(chain: FakeChain) -> None:
    header = chain.mine([FakeLog(TOKEN, (b"t" * 32,))])
    assert bloom_holds_any(header.logs_bloom, bloom_masks([b"u" * 32, b"t" * 32]))
    assert not bloom_holds_any(header.logs_bloom, bloom_masks([b"u" * 32]))
    assert not bloom_holds_any(header.logs_bloom, ())


def test_receipts_are_proven_when_they_are_the_blocks(chain: FakeChain) -> None:
    verdict = prove_receipts(chain.head, chain.blocks[1].receipts)
    assert isinstance(verdict, Proven)
    assert [log.log_index for log in verdict.logs] == [0, 1, 2]


def first_log_changed(receipts: tuple[Receipt, ...], **changes: object) -> tuple[Receipt, ...]:
    first, *rest = receipts
    log = replace(first.logs[0], **changes)  # type: ignore[arg-type]
    return (replace(first, logs=(log, *first.logs[1:])), *rest)


@pytest.mark.parametrize(
    "change",
    [
        lambda receipts: receipts[:-1],
        lambda receipts: (receipts[1], receipts[0], receipts[2]),
        lambda receipts: (replace(receipts[0], logs=receipts[0].logs[:1]), *receipts[1:]),
        lambda receipts: (replace(receipts[0], succeeded=False), *receipts[1:]),
        lambda receipts: first_log_changed(receipts, data=b"\1" * 32),
        lambda receipts: first_log_changed(receipts, address=address("b")),
        lambda receipts: first_log_changed(receipts, log_index=1),
        lambda receipts: first_log_changed(receipts, block_number=2),
        lambda receipts: first_log_changed(receipts, tx_hash=TxHash(bytes(32))),
        lambda receipts: (replace(receipts[0], tx_index=1), *receipts[1:]),
    ],
    ids=(
        "receipt dropped",
        "order swapped",
        "log dropped",
        "outcome changed",
        "data changed",
        "address changed",
        "log index changed",
        "log moved to another block",
        "log given to another transaction",
        "receipt moved",
    ),
)
def test_receipts_are_contradicted_when(chain: FakeChain, change: object) -> None:
    assert callable(change)
    assert isinstance(prove_receipts(chain.head, change(chain.blocks[1].receipts)), Contradicted)


def test_receipts_are_unprovable_when_a_type_is_unknown(chain: FakeChain) -> None:
    first, *rest = chain.blocks[1].receipts
    verdict = prove_receipts(chain.head, (replace(first, type=0x6A), *rest))
    assert verdict == Unprovable("no encoding is known for receipts of type 0x6a")


def standard(receipt: Receipt) -> list[object]:
    logs = [[log.address, list(log.topics), log.data] for log in receipt.logs]
    return [b"\1", receipt.cumulative_gas_used.to_bytes(2, "big"), receipt.logs_bloom, logs]


@pytest.mark.parametrize(
    ("changes", "prefix", "extra"),
    [
        ({"type": 0}, b"", []),
        ({"type": 1}, b"\x01", []),
        ({"type": 2}, b"\x02", []),
        ({"type": 4}, b"\x04", []),
        ({"type": 0x7E}, b"\x7e", []),
        ({"type": 0x7E, "deposit_nonce": 5, "deposit_version": 1}, b"\x7e", [b"\x05", b"\x01"]),
        ({"type": 0x7E, "deposit_nonce": 0, "deposit_version": 1}, b"\x7e", [b"", b"\x01"]),
        ({"type": 0x7B, "base_fee": 500}, b"\x7b", [b"\x01\xf4"]),
    ],
)
def test_encode_receipt_writes_each_type_as_its_chain_does(
    chain: FakeChain, changes: dict[str, int], prefix: bytes, extra: list[bytes]
) -> None:
    receipt = replace(chain.blocks[1].receipts[0], **changes)  # type: ignore[arg-type]
    assert encode_receipt(receipt) == prefix + rlp.encode([*standard(receipt), *extra])


def test_state_sync_receipt_is_left_out_when_polygon_lists_it_beside_the_root(
    chain: FakeChain,
) -> None:
    """bor, before Madhugiri: in the list of receipts, in no root."""
    receipts = chain.blocks[1].receipts
    header = with_root(chain.head, ordered_trie_root([encode_receipt(receipts[0])]))
    moved = replace(
        receipts[0],
        block_hash=header.hash,
        logs=tuple(replace(log, block_hash=header.hash) for log in receipts[0].logs),
    )
    key = b"matic-bor-receipt-" + header.number.to_bytes(8, "big") + header.hash
    state_sync = replace(receipts[1], type=0, tx_hash=TxHash(keccak(key)))
    assert prove_receipts(header, (moved, state_sync)) == Proven((moved,))
    assert isinstance(prove_receipts(header, (moved, receipts[1])), Contradicted)


@given(topics=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4))
def test_bloom_never_rules_out_what_was_logged(topics: list[bytes]) -> None:
    chain = FakeChain()
    bloom = chain.mine([FakeLog(TOKEN, tuple(topics))]).logs_bloom
    assert all(bloom_may_hold(bloom, [value]) for value in (TOKEN, *topics))
    assert not bloom_may_hold(bytes(256), topics)
    assert not bloom_may_hold(bloom, [])


def test_bloom_of_logs_is_the_headers(chain: FakeChain) -> None:
    log = FakeLog(TOKEN, (b"t" * 32,))
    header = chain.mine([log])
    assert bloom_of(chain.canonical_logs()[-1:]) == header.logs_bloom
    assert bloom_may_hold(header.logs_bloom, [b"t" * 32])
    assert not bloom_may_hold(header.logs_bloom, [b"u" * 32])
