"""Tables of reconciliation in schema ``offchain``: what gateways list, and what webhooks missed."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    text,
)

from indexer.db.base import metadata
from indexer.db.columns import UTC_TIME

SCHEMA = "offchain"

# A payment that its gateway's own list names as changed: gone once it was read again and applied.
# What no attempt of ours has stays here for an operator to see.
listed_payments = Table(
    "listed_payments",
    metadata,
    Column("gateway", Text, nullable=False),
    Column("provider_payment_id", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="listed"),
    Column("reason", Text),  # why it is unmatched
    Column("effect", Text),  # what became of its money, as last read
    Column("amount_minor", BigInteger),  # what was paid or asked for, as last read
    Column("currency", Text),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_try_at", UTC_TIME, server_default=func.now()),  # null: given up
    Column("listed_at", UTC_TIME, nullable=False, server_default=func.now()),  # first
    PrimaryKeyConstraint("gateway", "provider_payment_id"),
    Index("ix_listed_payments_due", "next_try_at", postgresql_where=text("state <> 'dismissed'")),
    CheckConstraint("state IN ('listed','unmatched','dismissed')", name="state"),
    schema=SCHEMA,
)

# How often a read that nobody had asked us for found what no webhook had told.
corrections = Table(
    "corrections",
    metadata,
    Column("gateway", Text, nullable=False),
    Column("found_by", Text, nullable=False),  # poll | list
    Column("count", BigInteger, nullable=False),
    Column("last_at", UTC_TIME, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("gateway", "found_by"),
    schema=SCHEMA,
)
