"""Words of settlement: states, kinds of transaction and the name of a payment on-chain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NewType
from uuid import UUID

from eth_abi.abi import encode
from eth_hash.auto import keccak

from indexer.chain.types import Address, ChainId, PaymentId, TokenAmount

BatchId = NewType("BatchId", UUID)
Nonce = NewType("Nonce", int)

RequestState = Literal[
    "ready",
    "batched",
    "included",
    "settled",
    "refunded",
    "blocked",
    "quarantined",
    "void",
    "superseded",
]
CampaignState = Literal["requested", "campaign_pending", "treasury_pending", "live", "blocked"]
BatchKind = Literal[
    "create_campaign",
    "create_treasury",
    "fund",
    "create_payments",
    "confirm_payments",
    "settle_payments",
    "cancel_payment",
    "refund_payment",
    "disburse_fees",
    "withdraw",
    "transfer_tokens",
    "top_up_gas",
]
ActionKind = Literal["refund", "withdraw", "disburse_fees", "transfer_tokens", "top_up_gas"]
ActionState = Literal["requested", "sealed", "included", "done", "blocked", "quarantined", "void"]
PaymentStep = Literal["create", "confirm", "settle"]
"""What is sent for a payment: ``settle`` creates and confirms it in one call."""
SlotState = Literal["reserved", "signed", "mined_ok", "mined_failed", "foreign"]

CREATE_CAMPAIGN: Final = "create_campaign"
CREATE_TREASURY: Final = "create_treasury"
FUND: Final = "fund"
CREATE_PAYMENTS: Final = "create_payments"
CONFIRM_PAYMENTS: Final = "confirm_payments"
SETTLE_PAYMENTS: Final = "settle_payments"

CONFIRMING: Final[tuple[BatchKind, ...]] = (CONFIRM_PAYMENTS, SETTLE_PAYMENTS)
"""After these a payment is confirmed, and tokens of its treasury are spoken for."""
BATCH_OF: Final[Mapping[PaymentStep, BatchKind]] = {
    "create": CREATE_PAYMENTS,
    "confirm": CONFIRM_PAYMENTS,
    "settle": SETTLE_PAYMENTS,
}

PAYMENT_DOMAIN = keccak(b"lastro.payment.v1")


def derive_payment_id(platform_hash: bytes, pledge_id: UUID, generation: int) -> PaymentId:
    """Name a payment on-chain: from the pledge, so that two gateways paying it share one name.

    Args:
        platform_hash: The platform's 32-byte name in GlobalParams.
        pledge_id: A random (version 4) UUID, which makes the name unguessable.
        generation: How many names of this pledge came before; 0 for the first.
    """
    return PaymentId(
        keccak(
            encode(
                ["bytes32", "bytes32", "bytes16", "uint32"],
                [PAYMENT_DOMAIN, platform_hash, pledge_id.bytes, generation],
            )
        )
    )


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A request as the lanes see it."""

    request_id: UUID
    chain_id: ChainId
    treasury: Address
    payment_id: PaymentId
    buyer_commitment: bytes
    item_id: bytes
    token: Address
    amount_base_units: TokenAmount
    treasury_kind: str
    captured_at: datetime
    requested_at: datetime
    expiration: datetime | None
    """On-chain expiry; None until a create is sealed."""
    state: RequestState
    reason: str | None
    strikes: int
    """Failed transactions it was part of."""
    batch_kind: BatchKind | None
    """Kind of the newest batch it was sealed into, while that may have, or had, effect."""
