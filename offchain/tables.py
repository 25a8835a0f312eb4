"""Schema ``offchain``: campaigns, pledges, payment attempts and the webhook inbox.

The ledger's tables are in ``offchain.ledger.tables``.

Only ``backers`` holds anything about a person, and only that table is ever erased.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
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

# How a campaign's charges are split at a gateway; written with the campaign and never changed.
campaign_splits = Table(
    "campaign_splits",
    metadata,
    Column("campaign_id", Uuid, ForeignKey("offchain.campaigns.id"), nullable=False),
    Column("place", Integer, nullable=False),  # equal remainders of a split are served in order
    Column("gateway", Text, nullable=False),
    Column("account", Text, nullable=False),  # at that gateway; platform for the platform's own
    Column("share_bps", Integer, nullable=False),  # of 10,000
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("campaign_id", "place"),
    UniqueConstraint("campaign_id", "gateway", "account"),
    CheckConstraint("share_bps BETWEEN 1 AND 10000", name="share_of_whole"),
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
    # The platform's own words, which the gateway gets too; shown to whoever has the payment's id.
    Column("metadata", JSONB, nullable=False, server_default="{}"),
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
    Column("method", Text, nullable=False),
    Column("provider_payment_id", Text),  # bare id, without the gateway's prefix
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("expires_at", UTC_TIME),
    Column("fiat_status", Text, nullable=False, server_default="created"),
    Column("chain_status", Text, nullable=False, server_default="none"),
    Column("claim_status", Text, nullable=False, server_default="none"),
    Column("review_reason", Text),  # why an operator must look
    Column("received_minor", BigInteger),  # what the gateway says was paid
    Column("received_currency", Text),  # and in what
    # Where the ledger has the money: campaign (accepted for the pledge) | suspense (held) | payable
    # (a second payment, to be given back); null: none came, or nobody knows how much.
    Column("booked_to", Text),
    Column("capture_id", Uuid),  # the ledger's capture that stands, where booked to campaign
    Column("pix_code", Text),  # copia e cola
    # What a backer completes a payment with, in a browser; the read role has no way to either.
    Column("client_secret", Text),
    Column("authorization_url", Text),
    Column("provider_version", Integer),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("captured_at", UTC_TIME),
    Column("checked_at", UTC_TIME),  # last read at the gateway
    Column("next_read_at", UTC_TIME, server_default=func.now()),  # null: never by itself
    # Its campaign's settlement mode, which never changes; a trigger writes it when it is inserted.
    Column("settles_onchain", Boolean, nullable=False, server_default=text("false")),
    # What settlement has it as, once it was handed over anew; null: under its own id.
    Column("settlement_id", Uuid),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    UniqueConstraint("gateway", "provider_payment_id"),
    UniqueConstraint("settlement_id"),
    # One payment holds its pledge, until its money is gone.
    Index(
        "uq_payment_attempts_holder",
        "pledge_id",
        unique=True,
        postgresql_where=text(
            "booked_to = 'campaign' AND claim_status NOT IN ('refunded','dispute_lost')"
        ),
    ),
    Index("ix_payment_attempts_pledge", "pledge_id"),
    Index("ix_payment_attempts_open", "fiat_status", "checked_at"),
    Index(
        "ix_payment_attempts_next_read",
        "next_read_at",
        postgresql_where=text("next_read_at IS NOT NULL"),
    ),
    Index(
        "ix_payment_attempts_not_handed_over",
        "id",
        postgresql_where=text(
            "settles_onchain AND booked_to = 'campaign' AND fiat_status = 'captured'"
            " AND claim_status = 'none' AND chain_status IN ('failed','none')"
        ),
    ),
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
    CheckConstraint("method IN ('pix','card','bank','ussd')", name="method"),
    CheckConstraint("booked_to IN ('campaign','suspense','payable')", name="booked_to"),
    CheckConstraint(
        "booked_to IS NULL OR fiat_status IN ('late_paid','mismatch','captured','returned')",
        name="booked_has_money",
    ),
    CheckConstraint(
        "booked_to IS NULL OR (coalesce(received_minor, 0) > 0 AND received_currency IS NOT NULL)",
        name="booked_is_counted",
    ),
    CheckConstraint(
        "booked_to IS DISTINCT FROM 'campaign' OR fiat_status = 'captured'",
        name="accepted_is_captured",
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
    Index("ix_inbox_dead", "received_at", postgresql_where=text("state = 'dead'")),
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
