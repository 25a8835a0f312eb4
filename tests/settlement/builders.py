"""Values of the pure modules, with defaults for everything a test does not care about."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from eth_hash.auto import keccak

from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    ChainId,
    PaymentId,
    TokenAmount,
    TxHash,
)
from indexer.queries import CampaignFact, PaymentFact, TreasuryFact
from settlement.lifecycle import CampaignView
from settlement.types import DueRequest

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TREASURY = Address(b"\x01" * 20)
TOKEN = Address(b"\x02" * 20)
HASH = keccak(b"anything")


def due(**values: Any) -> DueRequest:
    request_id = values.pop("request_id", None) or uuid.uuid4()
    request = DueRequest(
        request_id=request_id,
        chain_id=ChainId(31337),
        treasury=TREASURY,
        payment_id=PaymentId(keccak(request_id.bytes)),
        buyer_commitment=HASH,
        item_id=HASH,
        token=TOKEN,
        amount_base_units=TokenAmount(100),
        treasury_kind="payment-treasury",
        captured_at=NOW,
        requested_at=NOW,
        expiration=None,
        state="ready",
        reason=None,
        strikes=0,
        batch_kind=None,
    )
    return replace(request, **values)


def payment_fact(request: DueRequest, **values: Any) -> PaymentFact:
    fact = PaymentFact(
        payment_id=request.payment_id,
        treasury=request.treasury,
        life=1,
        state="created",
        token=request.token,
        amount=request.amount_base_units,
        expiration=0,
        buyer_id=request.buyer_commitment,
        item_id=request.item_id,
        created_block=BlockNumber(7),
        created_tx=TxHash(HASH),
        confirmed_block=None,
        confirmed_block_hash=None,
        confirmed_tx=None,
        confirmed_log_index=None,
        confirmed_ordinal=None,
        confirmed_at=None,
        is_final=False,
        is_proven=False,
    )
    return replace(fact, **values)


def campaign_fact(*, is_final: bool = False) -> CampaignFact:
    return CampaignFact(
        campaign=Address(b"\x03" * 20),
        identifier_hash=HASH,
        block_number=BlockNumber(5),
        block_hash=BlockHash(HASH),
        tx_hash=TxHash(HASH),
        log_index=0,
        is_final=is_final,
    )


def treasury_fact(*, is_final: bool = False, implementation_id: int = 2) -> TreasuryFact:
    return TreasuryFact(
        treasury=TREASURY,
        campaign=Address(b"\x03" * 20),
        platform_hash=HASH,
        implementation_id=implementation_id,
        block_number=BlockNumber(6),
        block_hash=BlockHash(HASH),
        tx_hash=TxHash(HASH),
        log_index=0,
        is_final=is_final,
    )


def campaign_view(**values: Any) -> CampaignView:
    view = CampaignView(
        campaign=None,
        campaign_is_ours=True,
        treasury=None,
        implementation_id=2,
        creating_campaign=False,
        creating_treasury=False,
        tries=0,
        last_failure=None,
    )
    return replace(view, **values)
