"""More of schema ``offchain``: what is wanted back, and how far reconciliation has looked.

A refund and a dispute each climb a small lattice; triggers refuse to lower, to edit and to delete
them. Every move of one is kept in ``attempt_events``.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from indexer.db.base import metadata
from indexer.db.columns import UTC_TIME
from offchain.tables import SCHEMA

# Money given back, or to be. One of ours is committed in state requested before its gateway hears
# of it, and while it is not failed it never takes a payment's refunds above what was received: the
# trigger that checks this locks the attempt, so two at once cannot both pass. One that the gateway
# made (origin gateway) is a fact and always kept.
refunds = Table(
    "refunds",
    metadata,
    Column("id", Uuid, primary_key=True),  # ours: idempotency key and metadata at the gateway
    Column("attempt_id", Uuid, ForeignKey("offchain.payment_attempts.id"), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("provider_refund_id", Text),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),  # of what was received
    Column("origin", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),  # of the failure, or why the last try did not get through
    Column("booked_to", Text),  # the account its ledger entry debits; null: nothing is booked
    Column("tries", Integer, nullable=False, server_default="0"),  # committed before each call
    Column("next_try_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("state_since", UTC_TIME, nullable=False, server_default=func.now()),
    UniqueConstraint("gateway", "provider_refund_id"),
    Index("ix_refunds_attempt", "attempt_id"),
    Index("ix_refunds_due", "next_try_at", postgresql_where=text("state = 'requested'")),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint(
        "origin IN ('operator','duplicate','late','mismatch','excess','gateway')", name="origin"
    ),
    CheckConstraint("state IN ('requested','pending','succeeded','failed')", name="state"),
    CheckConstraint("booked_to IN ('campaign','creator','suspense','payable')", name="booked_to"),
    CheckConstraint(
        "origin <> 'gateway' OR (state <> 'requested' AND provider_refund_id IS NOT NULL)",
        name="gateway_made_it",
    ),
    CheckConstraint(
        "state NOT IN ('pending','succeeded') OR provider_refund_id IS NOT NULL",
        name="known_where_it_is_made",
    ),
    schema=SCHEMA,
)

# A dispute, chargeback or PIX special return (MED), as its gateway shows it.
disputes = Table(
    "disputes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("attempt_id", Uuid, ForeignKey("offchain.payment_attempts.id"), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("provider_dispute_id", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("booked_to", Text),  # the account that bears it; null: nothing is booked
    Column("opened_at", UTC_TIME, nullable=False, server_default=func.now()),  # when it was seen
    Column("state_since", UTC_TIME, nullable=False, server_default=func.now()),
    UniqueConstraint("gateway", "provider_dispute_id"),
    Index("ix_disputes_attempt", "attempt_id"),
    CheckConstraint("amount_minor > 0", name="amount_positive"),
    CheckConstraint("state IN ('open','won','lost')", name="state"),
    CheckConstraint("booked_to IN ('loss','campaign','suspense','payable')", name="booked_to"),
    schema=SCHEMA,
)

# How far each list of a gateway was walked; advanced only after a whole window of time.
recon_cursors = Table(
    "recon_cursors",
    metadata,
    Column("gateway", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("cursor", Text),  # the gateway's own, where it has one
    Column("high_water", UTC_TIME),  # all that changed before it was looked at
    Column("window_s", Integer),  # how much of the past the next window holds
    Column("updated_at", UTC_TIME, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("gateway", "stream"),
    schema=SCHEMA,
)
