"""Schema ``chain``, second half: projections, rebuilt from the facts at any time.

Every row names the blocks it rests on, so that a reorg undoes it by block number. ``payments`` and
the other views of ``indexer.views`` are what readers use.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from indexer.db.base import metadata
from indexer.db.columns import ADDRESS, HASH, UINT256
from indexer.tables import SCHEMA


def _born() -> tuple[Column[int], ...]:
    """The event that made a contract known."""
    return (
        Column("chain_id", BigInteger, nullable=False),
        Column("block_number", BigInteger, nullable=False),
        Column("log_index", Integer, nullable=False),
        Column("block_hash", HASH, nullable=False),
        Column("tx_hash", HASH, nullable=False),
        Column("factory", ADDRESS, nullable=False),
    )


campaigns = Table(
    "campaigns",
    metadata,
    *_born(),
    Column("campaign", ADDRESS, nullable=False),
    Column("identifier_hash", HASH, nullable=False),
    PrimaryKeyConstraint("chain_id", "campaign"),
    UniqueConstraint("chain_id", "factory", "identifier_hash"),
    schema=SCHEMA,
)

treasuries = Table(
    "treasuries",
    metadata,
    *_born(),
    Column("treasury", ADDRESS, nullable=False),
    Column("campaign", ADDRESS, nullable=False),
    Column("platform_hash", HASH, nullable=False),
    Column("implementation_id", UINT256, nullable=False),
    PrimaryKeyConstraint("chain_id", "treasury"),
    UniqueConstraint("chain_id", "factory", "campaign", "platform_hash"),
    schema=SCHEMA,
)

# Transactions that hold a fact of ours: who has a hash finds its block, and there its facts.
transactions = Table(
    "transactions",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("tx_hash", HASH, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", HASH, nullable=False),
    Column("tx_index", Integer, nullable=False),
    PrimaryKeyConstraint("chain_id", "tx_hash"),
    Index("ix_transactions_block", "chain_id", "block_number"),
    schema=SCHEMA,
)

# Every life of every payment. An id that was cancelled or refunded can be created again: each
# creation starts a life; a life takes the first confirmation and the first end that follow its
# creation, and no confirmation after its end.
payment_lives = Table(
    "payment_lives",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("treasury", ADDRESS, nullable=False),
    Column("payment_id", HASH, nullable=False),  # a crypto payment's is its key
    Column("life", Integer, nullable=False),  # from 1
    Column("is_present", Boolean, nullable=False),  # the newest life of its id
    Column("announced_id", HASH, nullable=False),
    Column("is_crypto", Boolean, nullable=False),
    Column("abi_version", SmallInteger, nullable=False),
    Column("buyer", ADDRESS, nullable=False),
    Column("buyer_id", HASH, nullable=False),
    Column("item_id", HASH, nullable=False),
    Column("token", ADDRESS, nullable=False),
    Column("amount", UINT256, nullable=False),
    Column("expiration", UINT256, nullable=False),
    Column("created_block", BigInteger, nullable=False),
    Column("created_log_index", Integer, nullable=False),
    Column("created_block_hash", HASH, nullable=False),
    Column("created_tx", HASH, nullable=False),
    Column("confirmed_block", BigInteger),
    Column("confirmed_log_index", Integer),
    Column("confirmed_ordinal", Integer),
    Column("confirmed_block_hash", HASH),
    Column("confirmed_tx", HASH),
    Column("ended_block", BigInteger),
    Column("ended_log_index", Integer),
    Column("ended_block_hash", HASH),
    Column("ended_tx", HASH),
    Column("outcome", Text),  # cancelled | refunded
    Column("refunded_amount", UINT256),
    Column("claimer", ADDRESS),
    Column(
        "state",  # created | confirmed | cancelled | refunded
        Text,
        Computed(
            "CASE WHEN ended_block IS NOT NULL THEN outcome "
            "WHEN confirmed_block IS NOT NULL THEN 'confirmed' ELSE 'created' END",
            persisted=True,
        ),
        nullable=False,
    ),
    PrimaryKeyConstraint("chain_id", "treasury", "payment_id", "life"),
    Index("ix_payment_lives_payment_id", "payment_id"),
    Index("ix_payment_lives_created", "chain_id", "created_block"),
    Index("ix_payment_lives_confirmed", "chain_id", "confirmed_block"),
    Index(
        "ix_payment_lives_ended",
        "chain_id",
        "ended_block",
        postgresql_where=text("ended_block IS NOT NULL"),
    ),
    Index(
        "ix_payment_lives_announced",
        "chain_id",
        "treasury",
        "announced_id",
        postgresql_where=text("is_crypto"),
    ),
    schema=SCHEMA,
)

# The base of the daily aggregates: what is final up to marks.totals_number. The views add what
# came after, so that no reorg ever touches these rows.
daily_totals = Table(
    "daily_totals",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("treasury", ADDRESS, nullable=False),
    Column("token", ADDRESS, nullable=False),
    Column("day", Date, nullable=False),  # America/Sao_Paulo: where the books close
    Column("confirmed_count", BigInteger, nullable=False),
    Column("confirmed_amount", UINT256, nullable=False),
    Column("refunded_count", BigInteger, nullable=False),
    Column("refunded_amount", UINT256, nullable=False),
    PrimaryKeyConstraint("chain_id", "treasury", "token", "day"),
    schema=SCHEMA,
)
