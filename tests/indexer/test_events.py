"""The registry against the committed ABIs, and decoding against eth-abi."""

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.abi import load_artifact
from indexer.chain.blocks import Log
from indexer.chain.types import Address, BlockHash, BlockNumber, TxHash
from indexer.decode import Event, UndecodableLog, decode_log
from indexer.events import EVENTS, PAYMENT_CREATED, PROTOCOL_EVENTS, TRANSFER, EventType
from tests.support.fake_chain import FakeLog
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
# Events of ours that the protocol's contracts do not have.
OUR_EVENTS = {
    "SurplusSwept",
    "PaymentExtrasRecorded",
    "GoalReached",
    "GoalMissed",
    "RefundDeposited",
    "RefundPaidBack",
}


# OpenZeppelin's own, and settings that no row rests on.
NOT_READ = {
    *("Initialized", "Upgraded", "OwnershipTransferred"),
    *("RoleGranted", "RoleRevoked", "RoleAdminChanged"),
    *("Approval", "ApprovalForAll", "Transfer"),  # of receipts; ERC-20's has another shape
    *("PlatformDataAdded", "PlatformDataRemoved"),
    *("ProtocolAdminAddressUpdated", "ProtocolFeePercentUpdated"),
    *("CampaignInfoFactoryCampaignInitialized", "CampaignInfoFactoryImplementationUpdated"),
    *("ContractURIUpdated", "ImageURIUpdated"),
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
    found = {event.name: event.topic0.hex()[:8] for event in PROTOCOL_EVENTS}
    assert {name: found[name] for name in found.keys() - OUR_EVENTS} == DEPLOYED_TOPICS
    assert TRANSFER.topic0.hex().startswith("ddf252ad")


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
        if event.name in declared
    }
    assert registered
    assert registered == {name: declared[name] for name in declared.keys() - NOT_READ}


ARGUMENTS = {
    "address": st.binary(min_size=20, max_size=20),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes32[]": st.lists(st.binary(min_size=32, max_size=32), max_size=5).map(tuple),
    "uint256": st.integers(0, 2**256 - 1),
    "bool": st.booleans(),
    "string": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
}


@given(event=st.sampled_from(sorted(EVENTS.values(), key=lambda one: one.name)), draws=st.data())
def test_decode_gives_back_what_was_encoded(event: EventType, draws: st.DataObject) -> None:
    values = {one.name: draws.draw(ARGUMENTS[one.type]) for one in event.arguments}
    topics = [encode([one.type], [values[one.name]]) for one in event.arguments if one.indexed]
    plain = [one for one in event.arguments if not one.indexed]
    body = encode([one.type for one in plain], [values[one.name] for one in plain])
    decoded = decode_log(mined(FakeLog(address("any"), (event.topic0, *topics), body)))
    assert isinstance(decoded, Event)
    assert decoded.arguments == values


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
