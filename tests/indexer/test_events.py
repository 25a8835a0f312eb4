"""The registry against the committed ABIs, and decoding against eth-abi."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.abi import load_artifact
from indexer.chain.blocks import Log
from indexer.chain.types import Address, BlockHash, BlockNumber, PaymentId, TxHash
from indexer.decode import Event, UndecodableLog, decode_log
from indexer.events import (
    EVENTS,
    FILTER_ID,
    PAYMENT_CREATED,
    PROTOCOL_EVENTS,
    PROTOCOL_TOPICS,
    SHAPES,
    TRANSFER,
    Emitter,
    EventType,
)
from indexer.payment_keys import created_id, crypto_key
from indexer.signatures import split_types
from tests.support.fake_blocks import FakeLog
from tests.support.protocol_logs import address, batch_confirmed, payment_created

CONTRACTS = (
    "GlobalParams",
    "CampaignInfoFactory",
    "CampaignInfo",
    "TreasuryFactory",
    "PaymentTreasury",
    "RefundEscrow",
)
# First four bytes of topic0 as the protocol's deployed contracts emit them.
DEPLOYED_TOPICS = {
    "PaymentCreated": "ce0b25c0",
    "PaymentConfirmed": "def8694c",
    "PaymentBatchConfirmed": "97388dbc",
    "PaymentBatchCreated": "d8ce8c79",
    "PaymentCancelled": "5284be3d",
    "RefundClaimed": "a5fb50ca",
    "FeesDisbursed": "e0eb4e00",
    "WithdrawalWithFeeSuccessful": "71ab1a85",
    "NonGoalLineItemsClaimed": "078020a6",
    "ExpiredFundsClaimed": "c5b49b62",
    "Paused": "c343aefb",
    "Unpaused": "c8ad0281",
    "Cancelled": "5c073039",
    "CampaignInfoFactoryCampaignCreated": "2102d365",
    "TreasuryFactoryTreasuryDeployed": "b8f945e2",
    "CampaignInfoPlatformInfoUpdated": "1f719345",
    "CampaignInfoSelectedPlatformUpdated": "d63d38e9",
    "CampaignInfoLaunchTimeUpdated": "18dcc6b2",
    "CampaignInfoDeadlineUpdated": "0ceb196d",
    "CampaignInfoGoalAmountUpdated": "50926c9b",
    "PledgeNFTMinted": "6fe7c390",
    "TreasuryImplementationRegistered": "d3abfd01",
    "TreasuryImplementationRemoved": "a31eac66",
    "TreasuryImplementationApproval": "19479c66",
    "PlatformEnlisted": "7f9fe6bf",
    "PlatformDelisted": "351667fd",
    "PlatformAdminAddressUpdated": "98670cc7",
    "PlatformAdapterSet": "fe0c6e6e",
    "TokenAddedToCurrency": "4f60ae6a",
    "TokenRemovedFromCurrency": "71f251aa",
    "DataAddedToRegistry": "52664724",
    "PlatformClaimDelayUpdated": "00d40efb",
    "PlatformLineItemTypeSet": "5792cceb",
    "PlatformLineItemTypeRemoved": "9de84718",
}
# topic0 of the shapes before today's; Oak's contracts at the commit.
LEGACY_TOPICS = {
    ("PaymentCreated", 1): "1f122221a1b8c9b25bc38eca65e1f63d981b8e4c0d7839ecde0b0065661e9b80",
    ("PaymentCreated", 2): "99c1e5708e5a302795a2342701bd8284f980ec505f8e36000f626b480529908b",
    ("FeesDisbursed", 1): "3e91f3ff83f723a487fba37bbc49f308f1f208eca1f92456788dd9fedab56635",
    ("WithdrawalSuccessful", 1): "f4f855c53853d0277a9ff688aadbfe4cb795ca1d5af41704b62cb539f89939ec",
    ("WithdrawalWithFeeSuccessful", 2): (
        "7da31c682ef30cf238099f87d52cb12accae6d53887a0eec51bc94d94b6158b5"
    ),
    ("TokenAddressUpdated", 1): "2f0c7f17be551d1f4566672cd67adbe50173e96632f56ff80d80acc4ac00f328",
}
"""c350b01 (1) and 8e8c727 (2)."""
# Events of ours that the protocol's contracts do not have.
OUR_EVENTS = {
    "SurplusSwept",
    "PaymentExtrasRecorded",
    "GoalReached",
    "GoalMissed",
    "RefundDeposited",
    "RefundPaidBack",
}
# OpenZeppelin's own: their topics are everybody's.
NOT_READ = {
    *("Initialized", "Upgraded", "OwnershipTransferred"),
    *("RoleGranted", "RoleRevoked", "RoleAdminChanged"),
    *("Approval", "ApprovalForAll", "Transfer"),  # of receipts; ERC-20's has another shape
}


def mined(log: FakeLog) -> Log:
    return Log(
        address=log.address,
        topics=log.topics,
        data=log.data,
        block_number=BlockNumber(1),
        block_hash=BlockHash(bytes(32)),
        tx_hash=TxHash(bytes(32)),
        tx_index=0,
        log_index=0,
    )


def test_topics_are_those_of_the_deployed_contracts() -> None:
    found = {event.name: event.topic0.hex()[:8] for event in PROTOCOL_EVENTS if now(event)}
    assert {name: found[name] for name in DEPLOYED_TOPICS} == DEPLOYED_TOPICS
    assert TRANSFER.topic0.hex().startswith("ddf252ad")


def test_topics_are_those_of_every_older_shape() -> None:
    found = {
        (event.name, event.abi_version): event.topic0.hex()
        for event in PROTOCOL_EVENTS
        if not now(event)
    }
    assert {key: found[key] for key in LEGACY_TOPICS} == LEGACY_TOPICS
    pledges = {"Receipt", "TreasuryConfigured"}
    assert {name for name, _ in found.keys() - LEGACY_TOPICS.keys()} == pledges


@pytest.mark.parametrize("contract", CONTRACTS)
def test_registry_agrees_with_the_committed_abi_of(contract: str) -> None:
    declared = {
        entry["name"]: [(one["name"], one["type"], one["indexed"]) for one in entry["inputs"]]
        for entry in load_artifact(contract).abi
        if entry["type"] == "event"
    }
    registered = {
        event.name: [(one.name, one.type, one.indexed) for one in event.arguments]
        for event in PROTOCOL_EVENTS
        if event.name in declared and now(event)
    }
    assert registered
    assert registered == {name: declared[name] for name in declared.keys() - NOT_READ}


def test_every_event_of_ours_or_of_oaks_current_contracts_is_registered() -> None:
    names = {event.name for event in PROTOCOL_EVENTS if now(event)}
    declared = {
        entry["name"]
        for contract in CONTRACTS
        for entry in load_artifact(contract).abi
        if entry["type"] == "event"
    }
    assert (declared - NOT_READ) | OUR_EVENTS | DEPLOYED_TOPICS.keys() <= names


def test_older_shapes_have_the_arguments_of_the_current_one_when_they_share_its_name() -> None:
    current = {event.name: event for event in PROTOCOL_EVENTS if now(event)}
    for event in PROTOCOL_EVENTS:
        if now(event) or event.name not in current:
            continue
        names = {one.name for one in event.arguments} | {name for name, _ in event.missing}
        assert names == {one.name for one in current[event.name].arguments}, event.signature
        assert event.fact == current[event.name].fact


def test_filter_covers_every_topic_once() -> None:
    assert set(PROTOCOL_TOPICS) | {TRANSFER.topic0} == EVENTS.keys()
    assert len(set(PROTOCOL_TOPICS)) == len(PROTOCOL_TOPICS)
    assert len(SHAPES) == len(PROTOCOL_EVENTS) + 1, "a shape hides another"
    assert len(bytes.fromhex(FILTER_ID)) == 8


def test_hot_facts_state_only_payments_and_transfers() -> None:
    facts = {event.name: event.fact for event in EVENTS.values() if event.fact is not None}
    assert facts == {
        "PaymentCreated": "payments_created",
        "PaymentConfirmed": "payments_confirmed",
        "PaymentBatchConfirmed": "payments_confirmed",
        "Transfer": "token_transfers",
    }


def now(event: EventType) -> bool:
    return event.abi_version == 3


ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "address": st.binary(min_size=20, max_size=20),
    "bytes32": st.binary(min_size=32, max_size=32),
    "uint256": st.integers(0, 2**256 - 1),
    "bool": st.booleans(),
    "string": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
}
SHAPES_OF_EVERYTHING = sorted(
    (*PROTOCOL_EVENTS, TRANSFER), key=lambda one: (one.name, one.signature, len(one.indexed))
)


def values_of(kind: str) -> st.SearchStrategy[Any]:
    if kind.endswith("[]"):
        return st.lists(values_of(kind[:-2]), max_size=3).map(tuple)
    if kind.startswith("("):
        return st.tuples(*map(values_of, split_types(kind[1:-1])))
    return ARGUMENTS[kind]


def logged(event: EventType, values: Mapping[str, Any]) -> Log:
    topics = [encode([one.type], [values[one.name]]) for one in event.indexed]
    body = encode([one.type for one in event.plain], [values[one.name] for one in event.plain])
    return mined(FakeLog(address("any"), (event.topic0, *topics), body))


@given(event=st.sampled_from(SHAPES_OF_EVERYTHING), draws=st.data())
def test_decode_gives_back_what_was_encoded(event: EventType, draws: st.DataObject) -> None:
    values = {one.name: draws.draw(values_of(one.type)) for one in event.arguments}
    decoded = decode_log(logged(event, values))
    assert isinstance(decoded, Event)
    assert decoded.type is event
    assert decoded.arguments == values | dict(event.missing)
    json.dumps(decoded.json_arguments())


def test_created_payments_have_one_set_of_arguments_when_their_shapes_differ() -> None:
    """Bytes as an Oak treasury of August 2025 logs them."""
    first, second = (
        next(one for one in PROTOCOL_EVENTS if (one.name, one.abi_version) == ("PaymentCreated", n))
        for n in (1, 2)
    )
    buyer, payment, item = b"b" * 20, b"p" * 32, b"i" * 32
    by_address = decode_log(
        mined(
            FakeLog(
                address("treasury"),
                (first.topic0, payment, buyer.rjust(32, b"\0"), item),
                (5).to_bytes(32, "big") + (99).to_bytes(32, "big"),
            )
        )
    )
    assert isinstance(by_address, Event)
    assert by_address.arguments == {
        "paymentId": payment,
        "buyerAddress": buyer,
        "buyerId": bytes(32),
        "itemId": item,
        "paymentToken": bytes(20),
        "amount": 5,
        "expiration": 99,
        "isCryptoPayment": False,
    }
    assert created_id(by_address) == payment
    by_id = decode_log(
        mined(
            FakeLog(
                address("treasury"),
                (second.topic0, payment, item),
                encode(
                    ["address", "bytes32", "uint256", "uint256", "bool"],
                    [buyer, b"B" * 32, 5, 0, True],
                ),
            )
        )
    )
    assert isinstance(by_id, Event)
    assert by_id.address_of("paymentToken") == bytes(20)
    assert by_id.bytes_of("buyerId") == b"B" * 32
    assert created_id(by_id) == crypto_key(PaymentId(payment), Address(buyer))


def test_a_pledge_refund_keeps_its_own_name_when_it_shares_that_of_a_payments() -> None:
    shapes = [one for one in PROTOCOL_EVENTS if one.signature.startswith("RefundClaimed(")]
    assert [(one.name, len(one.indexed)) for one in shapes] == [
        ("RefundClaimed", 2),
        ("PledgeRefundClaimed", 2),
        ("PledgeRefundClaimed", 0),
    ]
    assert {one.emitters for one in shapes} == {frozenset({Emitter.TREASURY})}


def test_decode_is_none_when_the_topic_is_not_ours() -> None:
    assert decode_log(mined(FakeLog(address("any"), ()))) is None
    assert decode_log(mined(FakeLog(address("any"), (b"x" * 32,)))) is None


GOOD = payment_created(address("treasury"), b"p" * 32)


@pytest.mark.parametrize(
    "log",
    [
        FakeLog(GOOD.address, GOOD.topics[:3], GOOD.data),
        FakeLog(GOOD.address, GOOD.topics, GOOD.data[:-1]),
        FakeLog(GOOD.address, (*GOOD.topics[:3], b"\1" * 32), GOOD.data),
        FakeLog(GOOD.address, GOOD.topics, b"\1" * 32 + GOOD.data[32:]),
        FakeLog(GOOD.address, GOOD.topics, GOOD.data[:-1] + b"\2"),
    ],
    ids=("topic missing", "data short", "dirty topic", "dirty address", "bool of two"),
)
def test_decode_is_undecodable_when(log: FakeLog) -> None:
    found = decode_log(mined(log))
    assert isinstance(found, UndecodableLog)
    assert found.type is PAYMENT_CREATED
    assert found.json_arguments()["data"] == "0x" + log.data.hex()


def test_json_arguments_write_integers_as_strings_and_bytes_as_hex() -> None:
    created = decode_log(mined(payment_created(address("treasury"), b"p" * 32, amount=2**200)))
    batch = decode_log(mined(batch_confirmed(Address(b"t" * 20), b"p" * 32)))
    assert isinstance(created, Event)
    assert isinstance(batch, Event)
    assert created.json_arguments()["amount"] == str(2**200)
    assert created.json_arguments()["isCryptoPayment"] is False
    assert batch.json_arguments() == {"paymentIds": ["0x" + "70" * 32]}
