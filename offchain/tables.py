"""Schema ``offchain``: campaigns, pledges, the webhook inbox and the double-entry ledger.

Only ``backers`` holds anything about a person, and only that table is ever erased.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from indexer.db.base import metadata
from indexer.db.columns import ADDRESS, HASH, UTC_TIME

SCHEMA = "offchain"

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("creator", Text, nullable=False),  # public display name
    Column("creator_wallet", ADDRESS),
    Column("goal_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),  # ISO 4217, lower case
    Column("launch_at", UTC_TIME, nullable=False),
    Column("deadline_at", UTC_TIME, nullable=False),
    Column("settlement_mode", Text, nullable=False),  # onchain | fiat_only
    Column("chain_id", BigInteger),
    Column("treasury_kind", Text),
    Column("identifier_hash", HASH, nullable=False, unique=True),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    CheckConstraint("settlement_mode IN ('onchain','fiat_only')", name="settlement_mode"),
    CheckConstraint(
        "(settlement_mode = 'onchain') = (chain_id IS NOT NULL AND treasury_kind IS NOT NULL)",
        name="onchain_names_chain",
    ),
    CheckConstraint("goal_minor > 0", name="goal_positive"),
    schema=SCHEMA,
)

# Erasable: erasing the salt makes every buyerId of this backer unlinkable for ever.
backers = Table(
    "backers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reference", Text, nullable=False, unique=True),  # the platform's own name for them
    Column("salt", LargeBinary, nullable=False),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    schema=SCHEMA,
)

pledges = Table(
    "pledges",
    metadata,
    Column("id", Uuid, primary_key=True),  # uuid4: unguessable, feeds the on-chain payment id
    Column("campaign_id", Uuid, ForeignKey("offchain.campaigns.id"), nullable=False),
    Column("backer_id", Uuid, nullable=False),
    Column("buyer_commitment", HASH, nullable=False),
    Column("item_id", HASH, nullable=False),
    Column("reward", Text),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    Index("ix_pledges_campaign", "campaign_id"),
    schema=SCHEMA,
)

# One try to pay a pledge at a gateway. Three orthogonal lattices, moved only by compare-and-set on
# version: fiat_status, chain_status, claim_status.
payment_attempts = Table(
    "payment_attempts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("pledge_id", Uuid, ForeignKey("offchain.pledges.id"), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("method", Text, nullable=False),  # pix | card
    Column("provider_payment_id", Text),  # bare id, without the gateway's prefix
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("expires_at", UTC_TIME),
    Column("fiat_status", Text, nullable=False, server_default="created"),
    Column("chain_status", Text, nullable=False, server_default="none"),
    Column("claim_status", Text, nullable=False, server_default="none"),
    Column("review_reason", Text),  # why an operator must look
    Column("received_minor", BigInteger),  # what the gateway says was paid
    Column("pix_code", Text),  # copia e cola
    Column("provider_version", Integer),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("captured_at", UTC_TIME),
    Column("checked_at", UTC_TIME),  # last read at the gateway
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    UniqueConstraint("gateway", "provider_payment_id"),
    Index(
        "uq_payment_attempts_captured_pledge",
        "pledge_id",
        unique=True,
        postgresql_where=text("fiat_status = 'captured' AND claim_status = 'none'"),
    ),
    Index("ix_payment_attempts_pledge", "pledge_id"),
    Index("ix_payment_attempts_open", "fiat_status", "checked_at"),
    Index("ix_payment_attempts_chain", "chain_status"),
    CheckConstraint(
        "fiat_status IN ('created','awaiting','authorized','failed','expired','canceled',"
        "'late_paid','mismatch','captured','returned')",
        name="fiat_status",
    ),
    CheckConstraint(
        "chain_status IN ('none','queued','submitted','mined','final','held','failed')",
        name="chain_status",
    ),
    CheckConstraint(
        "claim_status IN ('none','refund_pending','partially_refunded','refunded','disputed',"
        "'dispute_lost')",
        name="claim_status",
    ),
    schema=SCHEMA,
)

# Evidence for every move of the three lattices; triggers refuse UPDATE, DELETE and TRUNCATE.
attempt_events = Table(
    "attempt_events",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("attempt_id", Uuid, ForeignKey("offchain.payment_attempts.id"), nullable=False),
    Column("source", Text, nullable=False),  # webhook | poll | operator | chain | clock
    Column("lattice", Text, nullable=False),
    Column("from_status", Text, nullable=False),
    Column("to_status", Text, nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("at", UTC_TIME, nullable=False, server_default=func.now()),
    Index("ix_attempt_events_attempt", "attempt_id"),
    schema=SCHEMA,
)

# Verified webhooks as received, acknowledged only once they are here.
inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("gateway", Text, nullable=False),
    Column("event_key", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),  # signature headers only
    Column("state", Text, nullable=False, server_default="new"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_try_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("attempt_id", Uuid),
    Column("error", Text),
    Column("received_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("done_at", UTC_TIME),
    UniqueConstraint("gateway", "event_key"),
    Index("ix_inbox_due", "next_try_at", postgresql_where=text("state IN ('new','unmatched')")),
    CheckConstraint("state IN ('new','done','unmatched','dead')", name="state"),
    schema=SCHEMA,
)

# Refused webhooks are counted, never stored: gateway and reason only.
webhook_refusals = Table(
    "webhook_refusals",
    metadata,
    Column("gateway", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("last_at", UTC_TIME, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("gateway", "reason"),
    schema=SCHEMA,
)

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", Text, nullable=False),  # e.g. gateway_receivable:crowdsplit
    Column("normal_side", Text, nullable=False),  # debit | credit
    Column("currency", Text, nullable=False),  # ISO 4217 lower case, or token:<chain>:<address>
    PrimaryKeyConstraint("id", "currency"),
    CheckConstraint("normal_side IN ('debit','credit')", name="normal_side"),
    schema=SCHEMA,
)

# Two-phase double entry: pending is later posted or voided, at most once; single is posted at once.
# Corrections are new transfers in the other direction. Triggers refuse UPDATE, DELETE and TRUNCATE,
# and a post or void that differs from its pending transfer.
ledger_transfers = Table(
    "ledger_transfers",
    metadata,
    Column("id", Uuid, primary_key=True),  # made by the caller
    Column("kind", Text, nullable=False),  # pending | post | void | single
    Column("pending_id", Uuid, ForeignKey("offchain.ledger_transfers.id"), unique=True),
    Column("debit_account", Text, nullable=False),
    Column("credit_account", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),  # minor units of currency
    Column("currency", Text, nullable=False),
    Column("source", Text, nullable=False),  # what happened, e.g. capture
    Column("source_id", Text, nullable=False),  # which one: each event posts once
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    UniqueConstraint("source", "source_id", "kind"),
    # With the currency in the key, both accounts are in the currency of the transfer.
    ForeignKeyConstraint(
        ["debit_account", "currency"],
        ["offchain.ledger_accounts.id", "offchain.ledger_accounts.currency"],
    ),
    ForeignKeyConstraint(
        ["credit_account", "currency"],
        ["offchain.ledger_accounts.id", "offchain.ledger_accounts.currency"],
    ),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("debit_account <> credit_account", name="two_accounts"),
    CheckConstraint("kind IN ('pending','post','void','single')", name="kind"),
    CheckConstraint(
        "(kind IN ('post','void')) = (pending_id IS NOT NULL)", name="resolution_names_pending"
    ),
    schema=SCHEMA,
)

job_runs = Table(
    "job_runs",
    metadata,
    Column("name", Text, nullable=False),
    Column("slot", BigInteger, nullable=False),  # floor(unix seconds / interval)
    Column("started_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("finished_at", UTC_TIME),
    Column("done", Integer),
    Column("error", Text),
    PrimaryKeyConstraint("name", "slot"),
    schema=SCHEMA,
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request_hash", HASH, nullable=False),
    Column("subject_id", Uuid, nullable=False),  # what the request makes, named before it is made
    Column("response_status", Integer),  # null while in flight
    Column("response_body", JSONB),
    Column("locked_until", UTC_TIME, nullable=False),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("scope", "key"),
    schema=SCHEMA,
)
