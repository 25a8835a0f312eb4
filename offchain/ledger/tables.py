"""The ledger's tables in schema ``offchain``: accounts, journals, transfers. Only ever added to.

Triggers refuse UPDATE, DELETE and TRUNCATE; the off-chain role may insert no row's number,
transaction or time, which are the database's own (migrations 0004 and 0011).
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from indexer.db.base import metadata
from indexer.db.columns import UINT256, UTC_TIME
from offchain.tables import SCHEMA
from settlement.record_tables import THIS_TRANSACTION

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", Text, nullable=False),  # e.g. gateway_receivable:crowdsplit
    Column("normal_side", Text, nullable=False),  # debit | credit
    Column("currency", Text, nullable=False),  # ISO 4217 lower case, or token:<chain>:<0xaddress>
    PrimaryKeyConstraint("id", "currency"),
    CheckConstraint("normal_side IN ('debit','credit')", name="normal_side"),
    # A token is spelled in one way only, or its balances would fall apart.
    CheckConstraint(
        "currency NOT LIKE 'token:%' OR currency ~ '^token:[a-z0-9-]+[:]0x[0-9a-f]{40}$'",
        name="token_spelled",
    ),
    schema=SCHEMA,
)

# All that one event moves. A deferred trigger, checked at commit, refuses a journal that does not
# hold what it declares: half-written, added to later, empty, or resolving another one in part.
ledger_journals = Table(
    "ledger_journals",
    metadata,
    Column("id", Uuid, primary_key=True),  # that of its first transfer
    Column("source", Text, nullable=False),  # what happened, e.g. capture
    Column("source_id", Text, nullable=False),  # which one: each event posts once
    Column("kind", Text, nullable=False),  # its transfers are of this kind, or single
    Column("transfers", Integer, nullable=False),  # how many it declares
    Column("totals", JSONB, nullable=False),  # what it declares to move: currency → units as text
    # Rows are exported in this order: no transaction can put one before those that were.
    Column("xact", BigInteger, nullable=False, server_default=THIS_TRANSACTION),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("at", UTC_TIME, nullable=False, server_default=func.now()),
    UniqueConstraint("source", "source_id", "kind"),
    Index("ix_ledger_journals_xact", "xact", "number"),
    CheckConstraint("kind IN ('pending','post','void','single')", name="kind"),
    CheckConstraint("transfers > 0", name="moves_something"),
    CheckConstraint("jsonb_typeof(totals) = 'object'", name="totals_by_currency"),
    schema=SCHEMA,
)

# Two-phase double entry: pending is later posted or voided, at most once; single is posted at once.
# Corrections are new transfers in the other direction. A trigger refuses a post or void that
# differs from its pending transfer.
ledger_transfers = Table(
    "ledger_transfers",
    metadata,
    Column("id", Uuid, primary_key=True),  # derived from the event
    Column("journal_id", Uuid, ForeignKey("offchain.ledger_journals.id"), nullable=False),
    Column("position", SmallInteger, nullable=False),  # in its journal, from 0
    Column("kind", Text, nullable=False),  # pending | post | void | single
    Column("pending_id", Uuid, ForeignKey("offchain.ledger_transfers.id"), unique=True),
    Column("debit_account", Text, nullable=False),
    Column("credit_account", Text, nullable=False),
    Column("amount", UINT256, nullable=False),  # minor units of a currency, base units of a token
    Column("currency", Text, nullable=False),
    Column("source", Text, nullable=False),  # of its journal
    Column("source_id", Text, nullable=False),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    UniqueConstraint("journal_id", "position"),
    # Serves equality, and all that is named after one payment by what their names begin with.
    Index(
        "ix_ledger_transfers_source_id",
        "source_id",
        postgresql_ops={"source_id": "text_pattern_ops"},
    ),
    # With the currency in the key, both accounts are in the currency of the transfer.
    ForeignKeyConstraint(
        ["debit_account", "currency"],
        ["offchain.ledger_accounts.id", "offchain.ledger_accounts.currency"],
    ),
    ForeignKeyConstraint(
        ["credit_account", "currency"],
        ["offchain.ledger_accounts.id", "offchain.ledger_accounts.currency"],
    ),
    # Postgres holds NaN to be above every number.
    CheckConstraint("amount > 0 AND amount < 'NaN'::numeric", name="amount_positive"),
    CheckConstraint("debit_account <> credit_account", name="two_accounts"),
    CheckConstraint("kind IN ('pending','post','void','single')", name="kind"),
    CheckConstraint(
        "(kind IN ('post','void')) = (pending_id IS NOT NULL)", name="resolution_names_pending"
    ),
    CheckConstraint("position >= 0", name="position_counts"),
    schema=SCHEMA,
)
