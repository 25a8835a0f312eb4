"""Logs of the protocol's contracts as a fake chain mines them, and a deployment to read them by."""

from typing import Any

from eth_abi.abi import encode

from indexer.chain.deployments import Deployment
from indexer.chain.trie import keccak
from indexer.chain.types import Address, BlockHash, to_hex
from indexer.events import (
    CAMPAIGN_CREATED,
    PAYMENT_BATCH_CONFIRMED,
    PAYMENT_CANCELLED,
    PAYMENT_CONFIRMED,
    PAYMENT_CREATED,
    REFUND_CLAIMED,
    SURPLUS_SWEPT,
    TRANSFER,
    TREASURY_DEPLOYED,
    EventType,
)
from tests.support.fake_blocks import FakeLog

NOBODY = Address(bytes(20))


def address(name: str) -> Address:
    return Address(keccak(name.encode())[:20])


GLOBAL_PARAMS = address("global params")
CAMPAIGN_FACTORY = address("campaign factory")
TREASURY_FACTORY = address("treasury factory")
REFUND_ESCROW = address("refund escrow")
TOKEN = address("token")
PLATFORM = keccak(b"lastro")


def deployment(genesis_hash: BlockHash, *, first_block: int = 1) -> Deployment:
    """A record of celo-local whose contracts are the constants of this module."""
    return Deployment.model_validate(
        {
            "network": "celo-local",
            "chain_id": 31337,
            "genesis_hash": to_hex(genesis_hash),
            "first_block": first_block,
            "platform": {
                "name": "lastro",
                "hash": to_hex(PLATFORM),
                "admin": to_hex(address("platform admin")),
            },
            "protocol_admin": to_hex(address("protocol admin")),
            "contracts": {
                "global_params": to_hex(GLOBAL_PARAMS),
                "campaign_info_factory": to_hex(CAMPAIGN_FACTORY),
                "treasury_factory": to_hex(TREASURY_FACTORY),
                "refund_escrow": to_hex(REFUND_ESCROW),
            },
            "implementations": [
                {"id": 2, "kind": "payment-treasury", "address": to_hex(address("implementation"))}
            ],
            "tokens": [
                {"symbol": "BRLA", "address": to_hex(TOKEN), "decimals": 18, "currency": "BRL"}
            ],
            "artifacts_hash": "0x00",
            "compiler": {"version": "0.8.30", "evm_version": "cancun", "optimizer_runs": 200},
        }
    )


def log_of(event: EventType, emitter: Address, **arguments: Any) -> FakeLog:
    """Encode an event as its contract would."""
    indexed = [one for one in event.arguments if one.indexed]
    plain = [one for one in event.arguments if not one.indexed]
    topics = [encode([one.type], [arguments[one.name]]) for one in indexed]
    data = encode([one.type for one in plain], [arguments[one.name] for one in plain])
    return FakeLog(emitter, (event.topic0, *topics), data)


def campaign_created(
    campaign: Address, identifier: bytes, *, emitter: Address = CAMPAIGN_FACTORY
) -> FakeLog:
    return log_of(
        CAMPAIGN_CREATED, emitter, identifierHash=identifier, campaignInfoAddress=campaign
    )


def treasury_deployed(
    treasury: Address, campaign: Address, *, emitter: Address = TREASURY_FACTORY
) -> FakeLog:
    return log_of(
        TREASURY_DEPLOYED,
        emitter,
        platformHash=PLATFORM,
        implementationId=2,
        infoAddress=campaign,
        treasuryAddress=treasury,
    )


def payment_created(
    treasury: Address,
    payment_id: bytes,
    *,
    amount: int = 10**18,
    expiration: int = 0,
    is_crypto: bool = False,
    buyer: Address = NOBODY,
) -> FakeLog:
    return log_of(
        PAYMENT_CREATED,
        treasury,
        buyerAddress=buyer,
        paymentId=payment_id,
        buyerId=keccak(b"buyer" + payment_id),
        itemId=keccak(b"item"),
        paymentToken=TOKEN,
        amount=amount,
        expiration=expiration,
        isCryptoPayment=is_crypto,
    )


def settled(treasury: Address, *payment_ids: bytes) -> list[FakeLog]:
    """What ``settleBatch`` logs: a creation for each payment, then one confirmation of all."""
    created = [payment_created(treasury, payment_id) for payment_id in payment_ids]
    return [*created, batch_confirmed(treasury, *payment_ids)]


def payment_confirmed(treasury: Address, payment_id: bytes) -> FakeLog:
    return log_of(PAYMENT_CONFIRMED, treasury, paymentId=payment_id)


def batch_confirmed(treasury: Address, *payment_ids: bytes) -> FakeLog:
    return log_of(PAYMENT_BATCH_CONFIRMED, treasury, paymentIds=list(payment_ids))


def payment_cancelled(treasury: Address, payment_id: bytes) -> FakeLog:
    return log_of(PAYMENT_CANCELLED, treasury, paymentId=payment_id)


def refund_claimed(treasury: Address, payment_id: bytes, *, amount: int = 10**18) -> FakeLog:
    return log_of(
        REFUND_CLAIMED,
        treasury,
        paymentId=payment_id,
        refundAmount=amount,
        claimer=address("claimer"),
    )


def surplus_swept(treasury: Address, amount: int) -> FakeLog:
    return log_of(SURPLUS_SWEPT, treasury, token=TOKEN, to=address("platform"), amount=amount)


def transfer(recipient: Address, amount: int, *, token: Address = TOKEN) -> FakeLog:
    return log_of(TRANSFER, token, **{"from": address("sender")}, to=recipient, value=amount)
