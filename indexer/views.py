"""The views that readers use, in a metadata of their own: migrations make them, nobody writes them.

``…_latest`` is what the indexed blocks say, ``…_finalized`` what can no longer change. A row with a
block number is final when that is at or below its chain's finalized mark; ``is_final`` says so.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from indexer.db.columns import ADDRESS, HASH, UINT256, UTC_TIME
from indexer.tables import SCHEMA

views = MetaData()


def _view(name: str, *columns: Column[object]) -> Table:
    return Table(name, views, *columns, schema=SCHEMA)


def _position() -> tuple[Column[object], ...]:
    return (
        Column("chain_id", BigInteger),
        Column("block_number", BigInteger),
        Column("log_index", Integer),
        Column("tx_index", Integer),
        Column("block_hash", HASH),
        Column("tx_hash", HASH),
    )


def _payments(name: str) -> Table:
    return _view(
        name,
        Column("chain_id", BigInteger),
        Column("treasury", ADDRESS),
        Column("payment_id", HASH),  # a crypto payment's is its key
        Column("life", Integer),
        Column("state", Text),  # created | confirmed | cancelled | refunded
        Column("buyer_id", HASH),
        Column("item_id", HASH),
        Column("token", ADDRESS),
        Column("amount", UINT256),  # token base units
        Column("expiration", UINT256),  # unix seconds; 0 = never
        Column("created_block", BigInteger),
        Column("created_tx", HASH),
        Column("confirmed_block", BigInteger),
        Column("confirmed_block_hash", HASH),
        Column("confirmed_tx", HASH),
        Column("confirmed_log_index", Integer),
        Column("confirmed_ordinal", Integer),
        Column("confirmed_at", UTC_TIME),
        Column("confirmed_proven", Boolean),
    )


def _events(name: str) -> Table:
    return _view(
        name,
        *_position(),
        Column("address", ADDRESS),
        Column("event", Text),  # null: nobody we know vouches for the log
        Column("arguments", JSONB),  # integers as decimal strings, bytes as 0x hex
        Column("claimed", Boolean),
        Column("is_final", Boolean),
    )


def _sums(name: str, *key: Column[object]) -> Table:
    return _view(
        name,
        Column("chain_id", BigInteger),
        *key,
        Column("confirmed_count", BigInteger),
        Column("confirmed_amount", UINT256),  # token base units, as all amounts here
        Column("refunded_count", BigInteger),
        Column("refunded_amount", UINT256),
    )


def _daily(name: str) -> Table:
    day: Column[object] = Column("day", Date)  # America/Sao_Paulo
    return _sums(name, Column("treasury", ADDRESS), Column("token", ADDRESS), day)


payments = _payments("payments_latest")
"""The present life of every payment."""
payments_finalized = _payments("payments_finalized")
"""The life that was present at the finalized mark, as it stood there."""

events_latest = _events("events_latest")
"""One row per log that we keep, whichever table states it."""
events_finalized = _events("events_finalized")

refunds = _view(
    "refunds",
    Column("chain_id", BigInteger),
    Column("block_number", BigInteger),
    Column("log_index", Integer),
    Column("block_hash", HASH),
    Column("tx_hash", HASH),
    Column("treasury", ADDRESS),
    Column("payment_id", HASH),  # of the payment that it ends, however the event names that
    Column("life", Integer),
    Column("token", ADDRESS),
    Column("amount", UINT256),
    Column("claimer", ADDRESS),
    Column("is_final", Boolean),
)
withdrawals = _view(
    "withdrawals",
    *_position(),
    Column("treasury", ADDRESS),
    Column("token", ADDRESS),  # zero: the treasury's one token
    Column("recipient", ADDRESS),
    Column("amount", UINT256),
    Column("fee", UINT256),  # null: the event tells none
    Column("is_final", Boolean),
)
fees_disbursed = _view(
    "fees_disbursed",
    *_position(),
    Column("treasury", ADDRESS),
    Column("token", ADDRESS),
    Column("protocol_share", UINT256),
    Column("platform_share", UINT256),
    Column("is_final", Boolean),
)
surplus_sweeps = _view(
    "surplus_sweeps",
    *_position(),
    Column("treasury", ADDRESS),
    Column("token", ADDRESS),
    Column("recipient", ADDRESS),
    Column("amount", UINT256),
    Column("is_final", Boolean),
)
"""Tokens that a platform took back from a treasury because nothing claimed them."""
refund_deposits = _view(
    "refund_deposits",
    *_position(),
    Column("escrow", ADDRESS),
    Column("treasury", ADDRESS),
    Column("payment_id", HASH),
    Column("token", ADDRESS),
    Column("amount", UINT256),
    Column("is_final", Boolean),
)
refunds_paid_back = _view(
    "refunds_paid_back",
    *_position(),
    Column("escrow", ADDRESS),
    Column("treasury", ADDRESS),
    Column("payment_id", HASH),
    Column("token", ADDRESS),
    Column("amount", UINT256),
    Column("fiat_refund_reference", HASH),
    Column("is_final", Boolean),
)

payment_movements = _view(
    "payment_movements",
    Column("chain_id", BigInteger),
    Column("treasury", ADDRESS),
    Column("token", ADDRESS),
    Column("block_number", BigInteger),
    Column("day", Date),  # America/Sao_Paulo
    Column("confirmed_count", SmallInteger),
    Column("confirmed_amount", UINT256),
    Column("refunded_count", SmallInteger),
    Column("refunded_amount", UINT256),
)
"""Each confirmation and each refund on its own: what totals add up."""
daily_totals_latest = _daily("daily_totals_latest")
daily_totals_finalized = _daily("daily_totals_finalized")
treasury_totals_latest = _sums(
    "treasury_totals_latest", Column("treasury", ADDRESS), Column("token", ADDRESS)
)
treasury_totals_finalized = _sums(
    "treasury_totals_finalized", Column("treasury", ADDRESS), Column("token", ADDRESS)
)
campaign_totals_latest = _sums(
    "campaign_totals_latest", Column("campaign", ADDRESS), Column("token", ADDRESS)
)
campaign_totals_finalized = _sums(
    "campaign_totals_finalized", Column("campaign", ADDRESS), Column("token", ADDRESS)
)
