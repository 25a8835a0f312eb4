"""More of schema ``settlement``: what operators stop, what is asked beside payments, what was.

Row by row: a switch stops sealing in its scope; an action is anything a treasury or a wallet is
asked for that settles no payment; a run bounds how much of one campaign is settled before others
have their turn; a wallet is an account that a key service keeps for a person; a move is one change
of a request's state, written by a trigger, so that no code path can forget it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
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
from indexer.db.columns import ADDRESS, UINT256, UTC_TIME
from settlement.tables import SCHEMA

THIS_TRANSACTION = text("settlement.xact_number(pg_current_xact_id())")
"""The number of the transaction that writes a row: rows are sealed in that order."""

# What stops sealing, and who stopped it. What is sealed already is still sent until it is mined.
switches = Table(
    "switches",
    metadata,
    Column("scope", Text, nullable=False),
    # global: ''; chain: its id; signer, treasury: 'chain id:0x address'; gateway: its name
    Column("key", Text, nullable=False),
    Column("is_stopped", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_by", Text, nullable=False),  # an operator, or 'auto' and the rule that tripped
    Column("set_at", UTC_TIME, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("scope", "key"),
    CheckConstraint("scope IN ('global','chain','signer','treasury','gateway')", name="scope"),
    schema=SCHEMA,
)

# kind: refund (undo a payment, by whatever it takes) | withdraw | disburse_fees | transfer_tokens |
# top_up_gas. state: requested → sealed → included → done; exits: blocked, quarantined, void.
actions = Table(
    "actions",
    metadata,
    Column("action_id", Uuid, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("treasury", ADDRESS),  # null: top_up_gas
    Column("request_id", Uuid),  # refund: the payment, by its caller's name (root_id)
    Column("sender", ADDRESS),  # whose wallet acts; null: the platform's
    Column("recipient", ADDRESS),  # of tokens or coins; null: the platform's wallet
    Column("amount", UINT256),  # transfer_tokens: base units; top_up_gas: wei
    Column("requested_by", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="requested"),
    Column("reason", Text),  # of the state
    Column("strikes", Integer, nullable=False, server_default="0"),  # failed transactions of it
    Column("state_since", UTC_TIME, nullable=False, server_default=func.now()),
    Column("requested_at", UTC_TIME, nullable=False, server_default=func.now()),
    # One refund of a payment, for ever; one open withdrawal and one open disbursement a treasury.
    Index(
        "uq_actions_refund",
        "request_id",
        unique=True,
        postgresql_where=text("kind = 'refund' AND state <> 'void'"),
    ),
    Index(
        "uq_actions_open",
        "chain_id",
        "treasury",
        "kind",
        unique=True,
        postgresql_where=text(
            "kind IN ('withdraw','disburse_fees') AND state NOT IN ('done','void')"
        ),
    ),
    Index("ix_actions_due", "chain_id", "state"),
    CheckConstraint(
        "kind IN ('refund','withdraw','disburse_fees','transfer_tokens','top_up_gas')", name="kind"
    ),
    CheckConstraint(
        "state IN ('requested','sealed','included','done','blocked','quarantined','void')",
        name="state",
    ),
    CheckConstraint(
        "state NOT IN ('blocked','quarantined') OR reason IS NOT NULL", name="stop_has_reason"
    ),
    CheckConstraint("(kind = 'refund') = (request_id IS NOT NULL)", name="refund_has_request"),
    CheckConstraint("(kind = 'top_up_gas') = (treasury IS NULL)", name="acts_on_treasury"),
    CheckConstraint(
        "(kind IN ('transfer_tokens','top_up_gas')) = (amount IS NOT NULL)", name="has_amount"
    ),
    schema=SCHEMA,
)

# One run of a campaign: its quota of payments, until all its transactions are mined.
runs = Table(
    "runs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("treasury", ADDRESS, nullable=False),
    Column("payments", Integer, nullable=False, server_default="0"),
    Column("transactions", Integer, nullable=False, server_default="0"),
    Column("opened_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("closed_at", UTC_TIME),
    Index(
        "uq_runs_open",
        "chain_id",
        "treasury",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
    schema=SCHEMA,
)

# Accounts that a key service keeps for people. The row is committed before the service is asked.
wallets = Table(
    "wallets",
    metadata,
    Column("owner_kind", Text, nullable=False),  # backer | creator
    Column("owner_id", Uuid, nullable=False),  # names nobody outside this database
    Column("wallet_id", Text),  # the service's name of it; set with the address
    Column("address", ADDRESS),
    Column("requested_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("provisioned_at", UTC_TIME),
    PrimaryKeyConstraint("owner_kind", "owner_id"),
    UniqueConstraint("wallet_id"),
    UniqueConstraint("address"),
    CheckConstraint("owner_kind IN ('backer','creator')", name="owner_kind"),
    CheckConstraint("(wallet_id IS NULL) = (address IS NULL)", name="whole"),
    schema=SCHEMA,
)

# Append-only, and sealed (settlement.audit); written by a trigger on requests.
moves = Table(
    "moves",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("request_id", Uuid, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", Text),
    Column("batch_id", Uuid),
    Column("at", UTC_TIME, nullable=False, server_default=func.clock_timestamp()),
    Column("xact", BigInteger, nullable=False, server_default=THIS_TRANSACTION),
    Index("ix_moves_request_id", "request_id"),
    Index("ix_moves_xact", "xact", "id"),
    Index(
        "ix_moves_taken_back",
        "at",
        postgresql_where=text(
            "before IN ('settled','refunded') AND after NOT IN ('settled','refunded')"
        ),
    ),
    Index(
        "ix_moves_refunded",
        "at",
        postgresql_where=text("before = 'refunded' OR after = 'refunded'"),
    ),
    schema=SCHEMA,
)
