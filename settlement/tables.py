"""Schema ``settlement``: what is owed to a chain, the nonces spent on it and every signed byte.

The unique indexes below, not the contract, are what keeps a payment from being confirmed twice: a
cancelled or refunded id could be confirmed again on-chain.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from indexer.db.base import metadata
from indexer.db.columns import ADDRESS, HASH, UINT256, UTC_TIME

SCHEMA = "settlement"

AnyRow = Row[*tuple[Any, ...]]
"""A row of any of these tables, read inside this package only."""

# A campaign to create on-chain: CampaignInfo first, then its treasury, then the address record.
# state: requested → campaign_pending → treasury_pending → live; or blocked (reason says why).
campaigns = Table(
    "campaigns",
    metadata,
    Column("request_id", Uuid, primary_key=True),  # the off-chain campaign's id
    Column("chain_id", BigInteger, nullable=False),
    Column("identifier_hash", HASH, nullable=False),
    Column("creator", ADDRESS),  # null: a wallet is provisioned for creator_id first
    Column("creator_id", Uuid),  # whose wallet, see wallets; null where the creator brings one
    Column("launch_at", UTC_TIME, nullable=False),
    Column("deadline_at", UTC_TIME, nullable=False),
    Column("goal_base_units", UINT256, nullable=False),
    Column("currency", Text, nullable=False),  # ISO 4217, upper case
    Column("title", Text, nullable=False),  # becomes the receipt collection's name
    Column("treasury_kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="requested"),
    Column("reason", Text),
    Column("platform_hash", HASH),  # set with the addresses, all read from events
    Column("campaign", ADDRESS),
    Column("treasury", ADDRESS),
    Column("token", ADDRESS),
    Column("state_since", UTC_TIME, nullable=False, server_default=func.now()),
    Column("requested_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("live_at", UTC_TIME),
    UniqueConstraint("chain_id", "identifier_hash"),
    UniqueConstraint("chain_id", "treasury"),
    CheckConstraint(
        "state IN ('requested','campaign_pending','treasury_pending','live','blocked')",
        name="state",
    ),
    CheckConstraint("state <> 'blocked' OR reason IS NOT NULL", name="blocked_has_reason"),
    CheckConstraint("creator IS NOT NULL OR creator_id IS NOT NULL", name="has_creator"),
    schema=SCHEMA,
)

# A captured payment to settle. state: ready → batched → included → settled → refunded; exits:
# blocked, quarantined, void, superseded. Moves back are legal where a reorg took the event away;
# even from settled, when a finalized block changed. A trigger keeps every move in moves.
requests = Table(
    "requests",
    metadata,
    Column("request_id", Uuid, primary_key=True),
    Column("root_id", Uuid, nullable=False),  # the caller's name; a later generation's is another
    Column("chain_id", BigInteger, nullable=False),
    Column("treasury", ADDRESS, nullable=False),
    Column("gateway", Text),  # where it was captured; null where the caller did not say
    Column("pledge_id", Uuid, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("payment_id", HASH, nullable=False),
    Column("buyer_commitment", HASH, nullable=False),
    Column("item_id", HASH, nullable=False),
    Column("token", ADDRESS, nullable=False),
    Column("amount_base_units", UINT256, nullable=False),
    Column("captured_at", UTC_TIME, nullable=False),
    Column("expiration", UTC_TIME),  # on-chain expiry, fixed when the create is sealed
    Column("state", Text, nullable=False, server_default="ready"),
    Column("reason", Text),
    Column("batch_id", Uuid),  # the newest batch it was sealed into; null once that was released
    Column("strikes", Integer, nullable=False, server_default="0"),  # failed transactions it was in
    Column("settled_block", BigInteger),  # of the confirmation, once that was final
    Column("settled_at", UTC_TIME),  # when that was seen
    Column("state_since", UTC_TIME, nullable=False, server_default=func.now()),
    Column("requested_at", UTC_TIME, nullable=False, server_default=func.now()),
    UniqueConstraint("chain_id", "treasury", "payment_id"),
    UniqueConstraint("pledge_id", "generation"),
    # The guard behind "at most once": one live generation per pledge.
    Index(
        "uq_requests_live_pledge",
        "pledge_id",
        unique=True,
        postgresql_where=text("state NOT IN ('void','superseded')"),
    ),
    Index("ix_requests_payment", "payment_id"),
    Index("ix_requests_root_id", "root_id", "generation"),
    Index("ix_requests_settled_block", "chain_id", "settled_block"),
    Index("ix_requests_due", "chain_id", "state", "treasury"),
    CheckConstraint(
        "state IN ('ready','batched','included','settled','refunded','blocked','quarantined',"
        "'void','superseded')",
        name="state",
    ),
    CheckConstraint(
        "state NOT IN ('blocked','quarantined') OR reason IS NOT NULL", name="stop_has_reason"
    ),
    CheckConstraint("state <> 'batched' OR batch_id IS NOT NULL", name="batched_has_batch"),
    CheckConstraint("state <> 'settled' OR settled_block IS NOT NULL", name="settled_has_block"),
    CheckConstraint("amount_base_units > 0", name="amount_positive"),
    schema=SCHEMA,
)

signers = Table(
    "signers",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("address", ADDRESS, nullable=False),
    Column("next_nonce", BigInteger, nullable=False),
    Column("mode", Text, nullable=False, server_default="active"),  # active | quarantine
    Column("mode_reason", Text),
    PrimaryKeyConstraint("chain_id", "address"),
    CheckConstraint("mode IN ('active','quarantine')", name="mode"),
    schema=SCHEMA,
)

# What a transaction is to do; immutable once sealed, but for released_at: set when its nonce was
# spent without effect in a finalized block, which lets its work be sealed again. kind: BatchKind.
batches = Table(
    "batches",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target", ADDRESS, nullable=False),  # contract called
    Column("treasury", ADDRESS),
    Column("calldata", LargeBinary, nullable=False),
    Column("gas_limit", BigInteger, nullable=False),
    Column("campaign_request_id", Uuid),
    Column("action_id", Uuid),
    # Tokens moved (fund, transfer_tokens) or claimed (confirm_payments, settle_payments).
    Column("token", ADDRESS),
    Column("amount_base_units", UINT256),
    Column("value_wei", UINT256, nullable=False, server_default="0"),  # top_up_gas: coins moved
    Column("sealed_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("released_at", UTC_TIME),
    # Nothing of a campaign is created twice: one batch of each kind that may still have effect.
    Index(
        "uq_batches_campaign_step",
        "campaign_request_id",
        "kind",
        unique=True,
        postgresql_where=text("campaign_request_id IS NOT NULL AND released_at IS NULL"),
    ),
    # No action is carried out twice.
    Index(
        "uq_batches_action",
        "action_id",
        unique=True,
        postgresql_where=text("action_id IS NOT NULL AND released_at IS NULL"),
    ),
    Index("ix_batches_treasury", "chain_id", "treasury", "kind"),
    Index("ix_batches_sealed_at", "chain_id", "sealed_at"),
    CheckConstraint(
        "kind IN ('create_campaign','create_treasury','fund','create_payments','confirm_payments',"
        "'settle_payments','cancel_payment','refund_payment','disburse_fees','withdraw',"
        "'transfer_tokens','top_up_gas')",
        name="kind",
    ),
    schema=SCHEMA,
)

batch_items = Table(
    "batch_items",
    metadata,
    Column("batch_id", Uuid, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),  # the batch's
    Column("released_at", UTC_TIME),  # the batch's
    PrimaryKeyConstraint("batch_id", "ordinal"),
    UniqueConstraint("batch_id", "request_id"),
    ForeignKeyConstraint(["batch_id"], ["settlement.batches.id"]),
    ForeignKeyConstraint(["request_id"], ["settlement.requests.request_id"]),
    Index("ix_batch_items_request", "request_id"),
    # No payment is ever in two creations or two confirmations that could both take effect; to
    # settle is both.
    Index(
        "uq_batch_items_live_creation",
        "request_id",
        unique=True,
        postgresql_where=text(
            "released_at IS NULL AND kind IN ('create_payments','settle_payments')"
        ),
    ),
    Index(
        "uq_batch_items_live_confirmation",
        "request_id",
        unique=True,
        postgresql_where=text(
            "released_at IS NULL AND kind IN ('confirm_payments','settle_payments')"
        ),
    ),
    schema=SCHEMA,
)

# One row per nonce ever taken: reserved → signed → mined_ok | mined_failed | foreign; is_final ends
# it. Every mined state may fall back to signed while it is not final (a reorg). foreign: another
# transaction took the nonce.
nonce_slots = Table(
    "nonce_slots",
    metadata,
    Column("chain_id", BigInteger, nullable=False),
    Column("signer", ADDRESS, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("batch_id", Uuid),  # null: it fills a hole, as a no-op
    Column("state", Text, nullable=False, server_default="reserved"),
    Column("is_final", Boolean, nullable=False, server_default=text("false")),
    Column("mined_tx", HASH),
    Column("mined_block", BigInteger),
    Column("mined_block_hash", HASH),
    Column("gas_used", BigInteger),
    Column("effective_gas_price_wei", UINT256),
    Column("failure", Text),  # why it had no effect, as far as can be told
    Column("mined_at", UTC_TIME),  # when the receipt was seen
    Column("final_at", UTC_TIME),
    PrimaryKeyConstraint("chain_id", "signer", "nonce"),
    UniqueConstraint("batch_id"),
    Index(
        "ix_nonce_slots_failed_at",
        "mined_at",
        postgresql_where=text("state = 'mined_failed'"),
    ),
    Index(
        "ix_nonce_slots_unmined",
        "chain_id",
        "signer",
        postgresql_where=text("state IN ('reserved','signed')"),
    ),
    Index(
        "ix_nonce_slots_not_final",
        "chain_id",
        "signer",
        postgresql_where=text("is_final IS false"),
    ),
    ForeignKeyConstraint(["batch_id"], ["settlement.batches.id"]),
    CheckConstraint(
        "state IN ('reserved','signed','mined_ok','mined_failed','foreign')", name="state"
    ),
    schema=SCHEMA,
)

# Every signed transaction, committed before any node sees it. intent precedes the first send. A
# no-op gives a nonce up whose batch no node takes; whichever of the two is mined decides.
attempts = Table(
    "attempts",
    metadata,
    Column("tx_hash", HASH, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("signer", ADDRESS, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("is_noop", Boolean, nullable=False, server_default=text("false")),
    Column("raw", LargeBinary, nullable=False),
    Column("max_fee_per_gas_wei", UINT256, nullable=False),
    Column("max_priority_fee_per_gas_wei", UINT256, nullable=False),
    Column("signed_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("intent_at", UTC_TIME),
    Column("sent_at", UTC_TIME),
    Column("acknowledged_at", UTC_TIME),
    # the head when a node first took it; until one does, when one first found it underpriced
    Column("sent_block", BigInteger),
    Column("sends", Integer, nullable=False, server_default="0"),
    Column("last_answer", Text),
    UniqueConstraint("chain_id", "signer", "nonce", "sequence"),
    ForeignKeyConstraint(
        ["chain_id", "signer", "nonce"],
        [
            "settlement.nonce_slots.chain_id",
            "settlement.nonce_slots.signer",
            "settlement.nonce_slots.nonce",
        ],
    ),
    schema=SCHEMA,
)
