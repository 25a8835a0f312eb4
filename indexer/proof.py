"""Check one on-chain payment with nothing but a node: no database, no word of Lastro's own.

Every step recomputes what it claims. What stays the node's word, and is said so: that the block
belongs to the canonical chain, and the transaction's hash (the receipts root commits to the
receipt at its place, not to the hash beside it).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from indexer.chain.blocks import Header, Log, Receipt
from indexer.chain.source import BlockSource
from indexer.chain.types import Address, BlockNumber, PaymentId, TxHash, to_checksum, to_hex
from indexer.decode import Event, decode_log
from indexer.errors import RpcError
from indexer.events import (
    PAYMENT_BATCH_CONFIRMED,
    PAYMENT_CANCELLED,
    PAYMENT_CONFIRMED,
    PAYMENT_CREATED,
    REFUND_CLAIMED,
    EventType,
)
from indexer.verify import Proven, bloom_of, header_hash, prove_receipts

_OF_ONE_PAYMENT: tuple[EventType, ...] = (
    PAYMENT_CREATED,
    PAYMENT_CONFIRMED,
    PAYMENT_CANCELLED,
    REFUND_CLAIMED,
)


@dataclass(frozen=True, slots=True)
class ProofStep:
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str


def verify_transaction(
    source: BlockSource,
    tx_hash: TxHash,
    *,
    payment_id: PaymentId | None = None,
    treasury: Address | None = None,
) -> list[ProofStep]:
    """Prove what a transaction logged, from the block's header down to the event.

    Args:
        source: Any node of the chain; it need not be trusted.
        tx_hash: The transaction.
        payment_id: The payment that one of its events must name; None accepts any event of ours.
        treasury: The contract that must have emitted it; None accepts any.

    Returns:
        The steps in order, up to and including the first that failed. All ok means proven.

    Raises:
        RpcUnavailable: No node answers.
    """
    steps = []
    for step in _steps(source, tx_hash, payment_id, treasury):
        steps.append(step)
        if not step.ok:
            break
    return steps


def _steps(
    source: BlockSource, tx_hash: TxHash, payment_id: PaymentId | None, treasury: Address | None
) -> Iterator[ProofStep]:
    receipt = source.transaction_receipt(tx_hash)
    if receipt is None:
        yield ProofStep("transaction mined", ok=False, detail=f"{to_hex(tx_hash)} has no receipt")
        return
    yield ProofStep(
        "transaction mined",
        receipt.succeeded,
        f"block {receipt.block_number}, place {receipt.tx_index}, "
        f"{'succeeded' if receipt.succeeded else 'reverted'}",
    )
    header = source.block_by_hash(receipt.block_hash)
    if header is None:
        yield ProofStep("header hash", ok=False, detail=f"no block {to_hex(receipt.block_hash)}")
        return
    yield _header_step(header, receipt)
    yield _canonical_step(source, header)
    verdict = prove_receipts(header, source.receipts(header.hash) or [])
    if not isinstance(verdict, Proven):
        yield ProofStep("receipts root", ok=False, detail=verdict.reason)
        return
    proven = verdict.receipts
    yield ProofStep(
        "receipts root",
        ok=True,
        detail=f"{len(proven)} receipts hash to {to_hex(header.receipts_root)}",
    )
    mine = [one for one in proven if one.tx_hash == tx_hash]
    logs = [log for one in mine for log in one.logs]
    yield ProofStep(
        "logs bloom",
        bloom_of(log for one in proven for log in one.logs) == header.logs_bloom,
        "the header's bloom is that of the receipts' logs",
    )
    yield _event_step(logs, payment_id, treasury)
    yield _finality_step(source, header)


def _header_step(header: Header, receipt: Receipt) -> ProofStep:
    computed = header_hash(header)
    return ProofStep(
        "header hash",
        computed == receipt.block_hash == header.hash and header.number == receipt.block_number,
        f"block {header.number} recomputed as {to_hex(computed)}",
    )


def _canonical_step(source: BlockSource, header: Header) -> ProofStep:
    at_height = source.block_by_number(header.number)
    return ProofStep(
        "canonical block",
        at_height is not None and at_height.hash == header.hash,
        f"the node names this block at height {header.number}",
    )


def _event_step(
    logs: list[Log], payment_id: PaymentId | None, treasury: Address | None
) -> ProofStep:
    """Find the event that names the payment; a batch names many."""
    for log in logs:
        event = decode_log(log)
        if not isinstance(event, Event) or treasury not in (None, log.address):
            continue
        if payment_id is None or payment_id in _payments_named(event):
            place = f"log {log.log_index} of {to_checksum(log.address)}"
            return ProofStep("event", ok=True, detail=f"{event.type.name} at {place}")
    wanted = "an event of ours" if payment_id is None else f"payment {to_hex(payment_id)}"
    by = "" if treasury is None else f" from {to_checksum(treasury)}"
    return ProofStep("event", ok=False, detail=f"no log of the transaction names {wanted}{by}")


def _payments_named(event: Event) -> tuple[bytes, ...]:
    if event.type in _OF_ONE_PAYMENT:
        return (event.bytes_of("paymentId"),)
    return event.hashes_of("paymentIds") if event.type is PAYMENT_BATCH_CONFIRMED else ()


def _finality_step(source: BlockSource, header: Header) -> ProofStep:
    try:
        final = source.block_by_number("finalized")
    except RpcError:
        final = None
    height = BlockNumber(-1) if final is None else final.number
    return ProofStep(
        "finalized", height >= header.number, f"block {header.number}, finalized up to {height}"
    )
