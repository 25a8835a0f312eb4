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
    REFUND_CLAIMED,
    EventType,
)
from indexer.payment_keys import announced_id, created_id
from indexer.verify import Proven, bloom_of, header_hash, prove_receipts

_OF_ONE_PAYMENT: tuple[EventType, ...] = (
    PAYMENT_CONFIRMED,
    PAYMENT_CANCELLED,
    REFUND_CLAIMED,
)
_CONFIRMING = (PAYMENT_CONFIRMED, PAYMENT_BATCH_CONFIRMED)


@dataclass(frozen=True, slots=True)
class ProofStep:
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an event must say to count."""

    payment_id: PaymentId | None
    treasury: Address | None
    confirms: bool

    def counts(self, event: Event) -> bool:
        """Whether the event says it."""
        return (
            self.treasury in (None, event.log.address)
            and (self.payment_id is None or self.payment_id in _payments_named(event))
            and (not self.confirms or event.type in _CONFIRMING or _is_crypto(event))
        )


def verify_transaction(
    source: BlockSource,
    tx_hash: TxHash,
    *,
    payment_id: PaymentId | None = None,
    treasury: Address | None = None,
    confirms: bool = False,
) -> list[ProofStep]:
    """Prove what a transaction logged, from the block's header down to the event.

    Args:
        source: Any node of the chain; it need not be trusted.
        tx_hash: The transaction.
        payment_id: The payment that one of its events must name; None accepts any event of ours.
            A crypto payment is named by its key when it is made; a refund may name it by the id
            that its buyer paid under.
        treasury: The contract that must have emitted it; None accepts any.
        confirms: Whether that event must be a confirmation: one transaction can hold a payment's
            creation and its confirmation.

    Returns:
        The steps in order, up to and including the first that failed. All ok means proven.

    Raises:
        RpcUnavailable: No node answers.
    """
    steps = []
    for step in _steps(source, tx_hash, _Wanted(payment_id, treasury, confirms)):
        steps.append(step)
        if not step.ok:
            break
    return steps


def _steps(source: BlockSource, tx_hash: TxHash, wanted: _Wanted) -> Iterator[ProofStep]:
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
    yield _event_step(logs, wanted)
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


def _event_step(logs: list[Log], wanted: _Wanted) -> ProofStep:
    """Find the events that name the payment; a batch names many."""
    events = [event for log in logs if isinstance(event := decode_log(log), Event)]
    found = [
        f"{event.type.name} at log {event.log.log_index} of {to_checksum(event.log.address)}"
        for event in events
        if wanted.counts(event)
    ]
    if found:
        return ProofStep("event", ok=True, detail=", ".join(found))
    does, named = ("confirms", "a payment") if wanted.confirms else ("names", "an event of ours")
    if wanted.payment_id is not None:
        named = f"payment {to_hex(wanted.payment_id)}"
    by = "" if wanted.treasury is None else f" at {to_checksum(wanted.treasury)}"
    return ProofStep("event", ok=False, detail=f"no log of the transaction {does} {named}{by}")


def _is_crypto(event: Event) -> bool:
    """A crypto payment is confirmed by the event that creates it."""
    return event.type.fact == "payments_created" and announced_id(event) is not None


def _payments_named(event: Event) -> tuple[bytes, ...]:
    if event.type.fact == "payments_created":
        return (created_id(event),)
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
