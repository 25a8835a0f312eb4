"""Reads of schema ``chain`` for the packages above: every statement says the block it rests on.

Pure reads on the caller's connection; one call sees one snapshot. ``is_final`` means that the
fact's block is at or below the chain's finalized mark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    any_,
    func,
    literal,
    select,
)

from indexer.chain.blocks import Log
from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    BlockStamp,
    ChainId,
    PaymentId,
    TokenAmount,
    TxHash,
    bytes_from_hex,
)
from indexer.db.columns import ADDRESS, HASH
from indexer.decode import decode_log
from indexer.projection_tables import campaigns, transactions, treasuries
from indexer.tables import blocks, marks
from indexer.views import events_latest, payments


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a chain is known, and how far it is final."""

    chain_id: ChainId
    network: str
    first_block: BlockNumber
    head_number: BlockNumber | None
    """Newest block a node reported."""
    indexed: BlockStamp | None
    """Facts are complete up to here."""
    finalized: BlockStamp | None
    """Facts up to here can no longer change; never above ``indexed``."""
    degraded_reason: str | None
    """Why the writer has halted; None while all is well."""
    updated_at: datetime | None = None
    """When the writer last saw the head or wrote, by Postgres' clock; an old one means that these
    marks say nothing of now. ``read_marks`` always tells it."""


@dataclass(frozen=True, slots=True)
class CampaignFact:
    """A CampaignInfo contract and the event that made it known."""

    campaign: Address
    identifier_hash: bytes
    block_number: BlockNumber
    block_hash: BlockHash
    tx_hash: TxHash
    log_index: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class TreasuryFact:
    """A treasury and the event that deployed it."""

    treasury: Address
    campaign: Address
    platform_hash: bytes
    implementation_id: int
    block_number: BlockNumber
    block_hash: BlockHash
    tx_hash: TxHash
    log_index: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """The present life of a payment id, and the event that confirmed it."""

    payment_id: PaymentId
    treasury: Address
    life: int
    """Counts from 1: a cancelled or refunded id can be created again."""
    state: str
    """created | confirmed | cancelled | refunded."""
    token: Address
    amount: TokenAmount
    expiration: int
    """Unix seconds; 0 never expires."""
    buyer_id: bytes
    item_id: bytes
    created_block: BlockNumber
    created_tx: TxHash
    confirmed_block: BlockNumber | None
    confirmed_block_hash: BlockHash | None
    confirmed_tx: TxHash | None
    confirmed_log_index: int | None
    confirmed_ordinal: int | None
    confirmed_at: datetime | None
    is_final: bool
    """The confirmation's block is finalized."""
    is_proven: bool
    """The receipts root of the confirmation's block was recomputed."""


@dataclass(frozen=True, slots=True)
class TransactionEvent:
    """A log that we keep, in its transaction and block."""

    chain_id: ChainId
    block_number: BlockNumber
    block_hash: BlockHash
    tx_index: int
    log_index: int
    address: Address
    event: str
    """What its first topic calls it."""
    arguments: Mapping[str, Any]
    """Integers as decimal strings, bytes as hex; the log as it is where it cannot be decoded."""
    claimed: bool
    """False: it comes from a contract that we do not know."""
    timestamp: datetime
    """Of the block."""
    proven: bool
    """The receipts root of the block was recomputed."""


def read_marks(connection: Connection, chain_id: ChainId) -> Marks | None:
    """How far the chain is indexed and final; None when its indexer never started."""
    row = connection.execute(select(marks).where(marks.c.chain_id == chain_id)).one_or_none()
    if row is None:
        return None
    return Marks(
        chain_id=chain_id,
        network=row.network,
        first_block=row.first_block,
        head_number=row.head_number,
        indexed=_stamp(row.indexed_number, row.indexed_hash, row.indexed_timestamp),
        finalized=_stamp(row.finalized_number, row.finalized_hash, row.finalized_timestamp),
        degraded_reason=row.degraded_reason,
        updated_at=row.updated_at,
    )


def campaign_by_identifier(
    connection: Connection, *, chain_id: ChainId, factory: Address, identifier_hash: bytes
) -> CampaignFact | None:
    """The campaign that a factory created under an identifier; None until that is indexed."""
    row = connection.execute(
        select(campaigns, _is_final(campaigns, campaigns.c.block_number)).where(
            campaigns.c.chain_id == chain_id,
            campaigns.c.factory == factory,
            campaigns.c.identifier_hash == identifier_hash,
        )
    ).one_or_none()
    if row is None:
        return None
    return CampaignFact(
        campaign=row.campaign,
        identifier_hash=row.identifier_hash,
        block_number=row.block_number,
        block_hash=row.block_hash,
        tx_hash=row.tx_hash,
        log_index=row.log_index,
        is_final=row.is_final,
    )


def treasury_of_campaign(
    connection: Connection,
    *,
    chain_id: ChainId,
    factory: Address,
    campaign: Address,
    platform_hash: bytes,
) -> TreasuryFact | None:
    """The treasury that a factory made for a campaign's platform; None until that is indexed."""
    row = connection.execute(
        select(treasuries, _is_final(treasuries, treasuries.c.block_number)).where(
            treasuries.c.chain_id == chain_id,
            treasuries.c.factory == factory,
            treasuries.c.campaign == campaign,
            treasuries.c.platform_hash == platform_hash,
        )
    ).one_or_none()
    if row is None:
        return None
    return TreasuryFact(
        treasury=row.treasury,
        campaign=row.campaign,
        platform_hash=row.platform_hash,
        implementation_id=row.implementation_id,
        block_number=row.block_number,
        block_hash=row.block_hash,
        tx_hash=row.tx_hash,
        log_index=row.log_index,
        is_final=row.is_final,
    )


def payments_by_id(
    connection: Connection,
    *,
    chain_id: ChainId,
    treasury: Address,
    payment_ids: Sequence[PaymentId],
) -> dict[PaymentId, PaymentFact]:
    """The payments of a treasury among ``payment_ids`` that are indexed; others are absent."""
    names = [(treasury, payment_id) for payment_id in payment_ids]
    found = payments_named(connection, chain_id=chain_id, names=names)
    return {payment_id: fact for (_, payment_id), fact in found.items()}


def payments_named(
    connection: Connection, *, chain_id: ChainId, names: Sequence[tuple[Address, PaymentId]]
) -> dict[tuple[Address, PaymentId], PaymentFact]:
    """The payments of these treasuries and ids that are indexed; others are absent."""
    if not names:
        return {}
    wanted = (
        func.unnest(
            literal([treasury for treasury, _ in names], ARRAY(ADDRESS)),
            literal([payment_id for _, payment_id in names], ARRAY(HASH)),
        )
        .table_valued("treasury", "payment_id", name="wanted")
        .render_derived()
    )
    rows = connection.execute(
        select(payments, _is_final(payments, payments.c.confirmed_block)).join(
            wanted,
            and_(
                payments.c.chain_id == chain_id,
                payments.c.treasury == wanted.c.treasury,
                payments.c.payment_id == wanted.c.payment_id,
            ),
        )
    )
    return {(row.treasury, row.payment_id): _payment(row) for row in rows}


def events_of_transaction(
    connection: Connection, *, chain_ids: Sequence[ChainId], tx_hash: TxHash
) -> list[TransactionEvent]:
    """The logs that we keep of a transaction, by chain and in order; none when none is indexed."""
    stands = connection.execute(
        select(transactions.c.chain_id, transactions.c.block_number)
        .where(
            transactions.c.chain_id == any_(literal(list(chain_ids), ARRAY(BigInteger))),
            transactions.c.tx_hash == tx_hash,
        )
        .order_by(transactions.c.chain_id)
    )
    # By block number: that is the facts' key.
    return [
        _event(row)
        for place in stands.all()
        for row in connection.execute(
            select(events_latest, blocks.c.timestamp, blocks.c.proven)
            .join(
                blocks,
                and_(
                    blocks.c.chain_id == events_latest.c.chain_id,
                    blocks.c.number == events_latest.c.block_number,
                ),
            )
            .where(
                events_latest.c.chain_id == place.chain_id,
                events_latest.c.block_number == place.block_number,
                events_latest.c.tx_hash == tx_hash,
            )
            .order_by(events_latest.c.log_index)
        )
    ]


def _event(row: Row[Any]) -> TransactionEvent:
    name, arguments = (row.event, row.arguments) if row.claimed else _unclaimed(row)
    return TransactionEvent(
        chain_id=row.chain_id,
        block_number=row.block_number,
        block_hash=row.block_hash,
        tx_index=row.tx_index,
        log_index=row.log_index,
        address=row.address,
        event=name,
        arguments=arguments,
        claimed=row.claimed,
        timestamp=row.timestamp,
        proven=row.proven,
    )


def _unclaimed(row: Row[Any]) -> tuple[str, Mapping[str, Any]]:
    """What a log says that nobody vouches for, if it says anything."""
    log = Log(
        address=row.address,
        topics=tuple(bytes_from_hex(topic) for topic in row.arguments["topics"]),
        data=bytes_from_hex(row.arguments["data"]),
        block_number=row.block_number,
        block_hash=row.block_hash,
        tx_hash=row.tx_hash,
        tx_index=row.tx_index,
        log_index=row.log_index,
    )
    event = decode_log(log)
    if event is None:  # its topic was ours when it was read
        return "", row.arguments
    return event.type.name, event.json_arguments()


def _payment(row: Row[Any]) -> PaymentFact:
    return PaymentFact(
        payment_id=row.payment_id,
        treasury=row.treasury,
        life=row.life,
        state=row.state,
        token=row.token,
        amount=row.amount,
        expiration=row.expiration,
        buyer_id=row.buyer_id,
        item_id=row.item_id,
        created_block=row.created_block,
        created_tx=row.created_tx,
        confirmed_block=row.confirmed_block,
        confirmed_block_hash=row.confirmed_block_hash,
        confirmed_tx=row.confirmed_tx,
        confirmed_log_index=row.confirmed_log_index,
        confirmed_ordinal=row.confirmed_ordinal,
        confirmed_at=row.confirmed_at,
        is_final=bool(row.is_final),
        is_proven=bool(row.confirmed_proven),
    )


def _is_final(table: Table, number: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a block number lies at or below its chain's finalized mark."""
    finalized = (
        select(marks.c.finalized_number)
        .where(marks.c.chain_id == table.c.chain_id)
        .scalar_subquery()
    )
    return (number <= finalized).is_(True).label("is_final")


def _stamp(
    number: BlockNumber | None, block_hash: BlockHash | None, timestamp: datetime | None
) -> BlockStamp | None:
    if number is None or block_hash is None or timestamp is None:
        return None
    return BlockStamp(number=number, hash=block_hash, timestamp=timestamp)
