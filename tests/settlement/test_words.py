"""Tables: selectors against the committed artifacts, reverts, and nodes' answers."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from indexer.chain.abi import load_artifact
from indexer.chain.types import PaymentId, TokenAmount, TxHash, to_hex
from indexer.errors import InvariantError, RpcError, RpcUnavailable
from settlement import calldata
from settlement.answers import classify, strongest
from settlement.reverts import _BY_SELECTOR, decode_revert
from settlement.types import PAYMENT_DOMAIN, derive_payment_id
from tests.settlement.builders import HASH, NOW, TOKEN, TREASURY, due


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (calldata.CREATE_CAMPAIGN_SIGNATURE, "dc6cdc7b"),
        (calldata.DEPLOY_SIGNATURE, "e6f5e376"),
        (calldata.CREATE_PAYMENTS_SIGNATURE, "d0776fb2"),
        (calldata.CONFIRM_PAYMENTS_SIGNATURE, "6822285a"),
        (calldata.SETTLE_PAYMENTS_SIGNATURE, "204cfc40"),
        (calldata.TRANSFER_SIGNATURE, "a9059cbb"),
        (calldata.BALANCE_OF_SIGNATURE, "70a08231"),
        (calldata.GET_FROM_REGISTRY_SIGNATURE, "92a66806"),
    ],
)
def test_selectors_are_those_of_the_deployed_protocol(signature: str, expected: str) -> None:
    assert calldata.selector(signature).hex() == expected


def test_every_error_we_read_is_one_that_a_contract_declares() -> None:
    declared = {
        calldata.selector(f"{entry['name']}({_types(entry['inputs'])})")
        for name in (
            "PaymentTreasury",
            "CampaignInfo",
            "CampaignInfoFactory",
            "TreasuryFactory",
            "GlobalParams",
            "TestBRLA",
        )
        for entry in load_artifact(name).abi
        if entry["type"] == "error"
    }
    solidity = {b"\x08\xc3\x79\xa0", b"\x4e\x48\x7b\x71"}  # Error(string), Panic(uint256)
    elsewhere = {calldata.selector("CurrentTimeIsNotWithinRange(uint256,uint256)")}
    assert set(_BY_SELECTOR) - solidity - elsewhere <= declared


@pytest.mark.parametrize(
    "name", ["PaymentTreasury", "TimeConstrainedPaymentTreasury", "MirrorPaymentTreasury"]
)
def test_payments_reach_each_of_our_treasuries_by_calls_that_it_has(name: str) -> None:
    functions = {
        calldata.selector(f"{entry['name']}({_types(entry['inputs'])})")
        for entry in load_artifact(name).abi
        if entry["type"] == "function"
    }
    assert {
        calldata.selector(signature)
        for signature in (
            calldata.CREATE_PAYMENTS_SIGNATURE,
            calldata.CONFIRM_PAYMENTS_SIGNATURE,
            calldata.SETTLE_PAYMENTS_SIGNATURE,
        )
    } <= functions


def test_create_payments_names_every_term_of_every_payment() -> None:
    requests = [due(), due()]
    expiration = NOW + timedelta(days=30)
    body = calldata.create_payments(requests, expiration)[4:]
    lines = "(bytes32,uint256)[][]"
    types = ["bytes32[]"] * 3 + ["address[]", "uint256[]", "uint256[]", lines, lines]
    ids, buyers, items, _tokens, amounts, expirations, line_items, fees = decode(types, body)
    assert list(ids) == [request.payment_id for request in requests]
    assert list(buyers) == list(items) == [HASH, HASH]
    assert list(amounts) == [100, 100]
    assert set(expirations) == {int(expiration.timestamp())}
    assert line_items == fees == ((), ())


def test_settle_payments_names_every_term_of_every_payment_and_no_buyer() -> None:
    requests = [due(), due(amount_base_units=TokenAmount(7))]
    body = calldata.settle_payments(requests)[4:]
    token, settled = decode(["address", "(bytes32,bytes32,bytes32,address,uint256)[]"], body)
    assert token == to_hex(TOKEN)
    nobody = "0x" + "00" * 20
    assert list(settled) == [
        (requests[0].payment_id, HASH, HASH, nobody, 100),
        (requests[1].payment_id, HASH, HASH, nobody, 7),
    ]


def test_settle_payments_refuses_two_tokens_in_one_call() -> None:
    with pytest.raises(InvariantError, match="several tokens"):
        calldata.settle_payments([due(), due(token=TREASURY)])


def test_payment_id_is_the_hash_of_domain_platform_pledge_and_generation() -> None:
    pledge = uuid.UUID("f1b64fd1-94df-4cf5-bd21-ad08e2b1b4c9")
    encoded = PAYMENT_DOMAIN + HASH + pledge.bytes + bytes(16) + (3).to_bytes(32)
    assert derive_payment_id(HASH, pledge, 3) == keccak(encoded)
    assert derive_payment_id(HASH, pledge, 4) != derive_payment_id(HASH, pledge, 3)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Ação “Árvore” \\ 'x'", "Acao Arvore  'x'"),
        ('say "hi"\n', "say hi"),
        ("日本", "Campaign"),
        ("x" * 100, "x" * 64),
    ],
)
def test_receipt_name_is_what_the_contract_accepts(title: str, expected: str) -> None:
    assert calldata.receipt_name(title) == expected


def test_decode_revert_names_the_payment_at_fault() -> None:
    payment_id = PaymentId(keccak(b"payment"))
    gone = calldata.selector("PaymentTreasuryPaymentAlreadyExpired(bytes32)") + payment_id
    expired = decode_revert(gone)
    assert (expired.blame, expired.payment, expired.expired) == ("item", payment_id, True)
    known = decode_revert(
        calldata.selector("PaymentTreasuryPaymentAlreadyExist(bytes32)")
        + calldata.internal_payment_id(payment_id)
    )
    assert known.blame == "known"
    assert known.payment == keccak(payment_id + bytes(20))
    too_large = decode_revert(
        calldata.selector("SafeCastOverflowedUintDowncast(uint8,uint256)")
        + encode(["uint8", "uint256"], [96, 2**96])
    )
    assert (too_large.blame, too_large.payment, too_large.amount) == ("item", None, 2**96)


@pytest.mark.parametrize(
    ("revert", "blame", "words"),
    [
        (None, "unknown", "without saying why"),
        (b"", "unknown", "without saying why"),
        (b"\xde\xad\xbe\xef", "unknown", "0xdeadbeef"),
        (bytes.fromhex("eced32bc"), "treasury", "paused"),
        (bytes.fromhex("67025eec") + encode(["uint256"] * 2, [5, 3]), "funds", "(5, 3)"),
        (bytes.fromhex("67025eec"), "funds", "short of tokens"),
        (bytes.fromhex("08c379a0") + encode(["string"], ["no"]), "unknown", "no"),
    ],
)
def test_decode_revert_says_whose_fault_it_is(revert: bytes | None, blame: str, words: str) -> None:
    decoded = decode_revert(revert)
    assert decoded.blame == blame
    assert words in decoded.reason


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (TxHash(HASH), "accepted"),
        (RpcError(-32000, "already known"), "accepted"),
        (RpcError(-32003, "transaction already imported"), "accepted"),
        (RpcError(-32000, "known transaction: 0xab"), "accepted"),
        (RpcError(-32000, "unknown transaction type"), "unknown"),
        (RpcError(-32000, "nonce too low: next nonce 4"), "nonce_too_low"),
        (RpcError(-32000, "nonce too high"), "nonce_gap"),
        (RpcError(-32000, "replacement transaction underpriced"), "underpriced"),
        (RpcError(-32000, "max fee per gas less than block base fee"), "underpriced"),
        (RpcError(-32000, "transaction gas price below minimum: gas tip cap 1"), "underpriced"),
        (RpcError(-32000, "insufficient funds for gas * price + value"), "no_gas_money"),
        (RpcError(-32000, "exceeds block gas limit"), "invalid"),
        (RpcError(-32603, "internal error"), "unknown"),
        (RpcUnavailable("timeout"), "unknown"),
    ],
)
def test_classify_reads_what_nodes_say(outcome: object, expected: str) -> None:
    assert classify(outcome) == expected


def test_strongest_believes_the_node_that_took_it() -> None:
    assert strongest(["nonce_too_low", "accepted", "unknown"]) == "accepted"
    assert strongest(["nonce_too_low", "unknown"]) == "unknown"
    assert strongest([]) == "unknown"


def test_treasury_address_is_encoded_whole() -> None:
    assert calldata.deploy_treasury(HASH, TREASURY, 2)[4 + 44 : 4 + 64] == TREASURY


def _types(inputs: list[dict[str, Any]]) -> str:
    return ",".join(_type(entry) for entry in inputs)


def _type(entry: dict[str, Any]) -> str:
    kind = str(entry["type"])
    if kind.startswith("tuple"):
        return f"({_types(entry['components'])}){kind.removeprefix('tuple')}"
    return kind
