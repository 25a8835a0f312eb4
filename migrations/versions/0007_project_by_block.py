"""Projections that a reorg undoes by block number, and the views that readers use."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _position(alias: str = "logs") -> str:
    names = ("chain_id", "block_number", "log_index", "tx_index", "block_hash", "tx_hash")
    return ", ".join(f"{alias}.{name}" for name in names)


def _hexed(column: str) -> str:
    return f"'0x' || encode({column}, 'hex')"


def _bytes(name: str) -> str:
    return f"decode(substr(logs.arguments ->> '{name}', 3), 'hex')"


def _integer(name: str) -> str:
    return f"(logs.arguments ->> '{name}')::numeric(78, 0)"


_IS_FINAL = "coalesce({0}.block_number <= marks.finalized_number, false) AS is_final"

_PAYMENTS_LATEST = """
SELECT lives.chain_id, lives.treasury, lives.payment_id, lives.life, lives.state, lives.buyer_id,
    lives.item_id, lives.token, lives.amount, lives.expiration, lives.created_block,
    lives.created_tx, lives.confirmed_block, lives.confirmed_block_hash, lives.confirmed_tx,
    lives.confirmed_log_index, lives.confirmed_ordinal, blocks.timestamp AS confirmed_at,
    blocks.proven AS confirmed_proven
FROM chain.payment_lives AS lives
LEFT JOIN chain.blocks AS blocks
    ON blocks.chain_id = lives.chain_id AND blocks.number = lives.confirmed_block
WHERE lives.is_present
"""

# What a life was at the finalized mark: what came after has not happened.
_PAYMENTS_FINALIZED = """
SELECT lives.chain_id, lives.treasury, lives.payment_id, lives.life,
    CASE WHEN lives.ended_block <= marks.finalized_number THEN lives.outcome
        WHEN lives.confirmed_block <= marks.finalized_number THEN 'confirmed'
        ELSE 'created' END AS state,
    lives.buyer_id, lives.item_id, lives.token, lives.amount, lives.expiration,
    lives.created_block, lives.created_tx,
    CASE WHEN lives.confirmed_block <= marks.finalized_number THEN lives.confirmed_block END
        AS confirmed_block,
    CASE WHEN lives.confirmed_block <= marks.finalized_number THEN lives.confirmed_block_hash END
        AS confirmed_block_hash,
    CASE WHEN lives.confirmed_block <= marks.finalized_number THEN lives.confirmed_tx END
        AS confirmed_tx,
    CASE WHEN lives.confirmed_block <= marks.finalized_number THEN lives.confirmed_log_index END
        AS confirmed_log_index,
    CASE WHEN lives.confirmed_block <= marks.finalized_number THEN lives.confirmed_ordinal END
        AS confirmed_ordinal,
    CASE WHEN lives.confirmed_block <= marks.finalized_number THEN blocks.timestamp END
        AS confirmed_at,
    CASE WHEN lives.confirmed_block <= marks.finalized_number THEN blocks.proven END
        AS confirmed_proven
FROM chain.payment_lives AS lives
JOIN chain.marks AS marks
    ON marks.chain_id = lives.chain_id AND lives.created_block <= marks.finalized_number
LEFT JOIN chain.blocks AS blocks
    ON blocks.chain_id = lives.chain_id AND blocks.number = lives.confirmed_block
WHERE lives.is_present OR NOT EXISTS (
    SELECT FROM chain.payment_lives AS later
    WHERE later.chain_id = lives.chain_id AND later.treasury = lives.treasury
        AND later.payment_id = lives.payment_id AND later.life = lives.life + 1
        AND later.created_block <= marks.finalized_number
)
"""

# The hot facts are told as the events that they are: names as the ABI has them.
_EVENTS_LATEST = f"""
SELECT {_position("events")}, events.address, events.event, events.arguments, events.claimed,
    {_IS_FINAL.format("events")}
FROM (
    SELECT {_position("created")}, created.treasury AS address, 'PaymentCreated' AS event,
        jsonb_build_object(
            'buyerAddress', {_hexed("created.buyer")},
            'paymentId', {_hexed("created.announced_id")},
            'buyerId', {_hexed("created.buyer_id")},
            'itemId', {_hexed("created.item_id")},
            'paymentToken', {_hexed("created.token")},
            'amount', created.amount::text,
            'expiration', created.expiration::text,
            'isCryptoPayment', created.is_crypto
        ) AS arguments, true AS claimed
    FROM chain.payments_created AS created
    UNION ALL
    SELECT {_position("confirmed")}, confirmed.treasury, confirmed.event,
        jsonb_build_object('paymentId', {_hexed("confirmed.payment_id")}), true
    FROM chain.payments_confirmed AS confirmed
    WHERE confirmed.event = 'PaymentConfirmed'
    UNION ALL
    SELECT {_position("batch")}, batch.treasury, 'PaymentBatchConfirmed',
        jsonb_build_object(
            'paymentIds', jsonb_agg({_hexed("batch.payment_id")} ORDER BY batch.ordinal)
        ), true
    FROM chain.payments_confirmed AS batch
    WHERE batch.event = 'PaymentBatchConfirmed'
    GROUP BY {_position("batch")}, batch.treasury
    UNION ALL
    SELECT {_position("moved")}, moved.token, 'Transfer',
        jsonb_build_object(
            'from', {_hexed("moved.sender")},
            'to', {_hexed("moved.recipient")},
            'value', moved.amount::text
        ), true
    FROM chain.token_transfers AS moved
    UNION ALL
    SELECT {_position("logs")}, logs.address, logs.event, logs.arguments, true
    FROM chain.logs AS logs
    UNION ALL
    SELECT {_position("stray")}, stray.address, NULL,
        jsonb_build_object(
            'topics', (
                SELECT coalesce(
                    jsonb_agg({_hexed("substring(stray.topics FROM place * 32 + 1 FOR 32)")}
                        ORDER BY place),
                    '[]'
                )
                FROM generate_series(0, length(stray.topics) / 32 - 1) AS place
            ),
            'data', {_hexed("stray.data")}
        ), false
    FROM chain.unclaimed_logs AS stray
    WHERE stray.claimed_block IS NULL
) AS events
LEFT JOIN chain.marks AS marks ON marks.chain_id = events.chain_id
"""  # noqa: S608 - our own names

_REFUNDS = """
SELECT lives.chain_id, lives.ended_block AS block_number, lives.ended_log_index AS log_index,
    lives.ended_block_hash AS block_hash, lives.ended_tx AS tx_hash, lives.treasury,
    lives.payment_id, lives.life, lives.token, lives.refunded_amount AS amount, lives.claimer,
    coalesce(lives.ended_block <= marks.finalized_number, false) AS is_final
FROM chain.payment_lives AS lives
LEFT JOIN chain.marks AS marks ON marks.chain_id = lives.chain_id
WHERE lives.outcome = 'refunded'
"""


def _of_logs(columns: dict[str, str], *events: str) -> str:
    """One row per log of these events, its arguments as columns."""
    said = ", ".join(f"{what} AS {name}" for name, what in columns.items())
    names = ", ".join(f"'{name}'" for name in events)
    return (
        f"SELECT {_position()}, {said}, {_IS_FINAL.format('logs')} FROM chain.logs AS logs "  # noqa: S608 - our own names
        "LEFT JOIN chain.marks AS marks ON marks.chain_id = logs.chain_id "
        f"WHERE logs.event IN ({names})"
    )


_WITHDRAWALS = _of_logs(
    {
        "treasury": "logs.address",
        "token": _bytes("token"),
        "recipient": _bytes("to"),
        "amount": _integer("amount"),
        "fee": _integer("fee"),  # null: the event tells none
    },
    "WithdrawalSuccessful",
    "WithdrawalWithFeeSuccessful",
)
_FEES_DISBURSED = _of_logs(
    {
        "treasury": "logs.address",
        "token": _bytes("token"),
        "protocol_share": _integer("protocolShare"),
        "platform_share": _integer("platformShare"),
    },
    "FeesDisbursed",
)
_SURPLUS_SWEEPS = _of_logs(
    {
        "treasury": "logs.address",
        "token": _bytes("token"),
        "recipient": _bytes("to"),
        "amount": _integer("amount"),
    },
    "SurplusSwept",
)
_ESCROW = {
    "escrow": "logs.address",
    "treasury": _bytes("treasury"),
    "payment_id": _bytes("paymentId"),
    "token": _bytes("token"),
    "amount": _integer("amount"),
}
_REFUND_DEPOSITS = _of_logs(_ESCROW, "RefundDeposited")
_REFUNDS_PAID_BACK = _of_logs(
    {**_ESCROW, "fiat_refund_reference": _bytes("fiatRefundReference")}, "RefundPaidBack"
)

# Each confirmation and each refund, on the day of its block; a finance day is São Paulo's.
_MOVEMENTS = """
SELECT lives.chain_id, lives.treasury, lives.token, blocks.number AS block_number,
    (blocks.timestamp AT TIME ZONE 'America/Sao_Paulo')::date AS day,
    1 AS confirmed_count, lives.amount AS confirmed_amount,
    0 AS refunded_count, 0::numeric(78, 0) AS refunded_amount
FROM chain.payment_lives AS lives
JOIN chain.blocks AS blocks
    ON blocks.chain_id = lives.chain_id AND blocks.number = lives.confirmed_block
UNION ALL
SELECT lives.chain_id, lives.treasury, lives.token, blocks.number,
    (blocks.timestamp AT TIME ZONE 'America/Sao_Paulo')::date,
    0, 0, 1, lives.refunded_amount
FROM chain.payment_lives AS lives
JOIN chain.blocks AS blocks
    ON blocks.chain_id = lives.chain_id AND blocks.number = lives.ended_block
WHERE lives.outcome = 'refunded' AND lives.ended_block IS NOT NULL
"""
_SUMS = (
    "sum(confirmed_count)::bigint AS confirmed_count, "
    "sum(confirmed_amount)::numeric(78, 0) AS confirmed_amount, "
    "sum(refunded_count)::bigint AS refunded_count, "
    "sum(refunded_amount)::numeric(78, 0) AS refunded_amount"
)


def _daily(also: str) -> str:
    """The base and what came after it."""
    return f"""
SELECT chain_id, treasury, token, day, {_SUMS}
FROM (
    SELECT chain_id, treasury, token, day, confirmed_count, confirmed_amount, refunded_count,
        refunded_amount
    FROM chain.daily_totals
    UNION ALL
    SELECT movements.chain_id, treasury, token, day, confirmed_count, confirmed_amount,
        refunded_count, refunded_amount
    FROM chain.marks AS marks
    JOIN chain.payment_movements AS movements
        ON movements.chain_id = marks.chain_id
        AND movements.block_number > coalesce(marks.totals_number, -1) {also}
) AS both_parts
GROUP BY chain_id, treasury, token, day
"""  # noqa: S608 - our own names


def _by_treasury(finality: str) -> str:
    return (
        f"SELECT chain_id, treasury, token, {_SUMS} FROM chain.daily_totals_{finality} "  # noqa: S608 - our own names
        "GROUP BY chain_id, treasury, token"
    )


def _by_campaign(finality: str) -> str:
    return (
        f"SELECT chain_id, campaign, token, {_SUMS} FROM chain.treasury_totals_{finality} "  # noqa: S608 - our own names
        "JOIN chain.treasuries USING (chain_id, treasury) GROUP BY chain_id, campaign, token"
    )


_VIEWS = {
    "payments_latest": _PAYMENTS_LATEST,
    "payments_finalized": _PAYMENTS_FINALIZED,
    "events_latest": _EVENTS_LATEST,
    "events_finalized": "SELECT * FROM chain.events_latest WHERE is_final",
    "refunds": _REFUNDS,
    "withdrawals": _WITHDRAWALS,
    "fees_disbursed": _FEES_DISBURSED,
    "surplus_sweeps": _SURPLUS_SWEEPS,
    "refund_deposits": _REFUND_DEPOSITS,
    "refunds_paid_back": _REFUNDS_PAID_BACK,
    "payment_movements": _MOVEMENTS,
    "daily_totals_latest": _daily(""),
    "daily_totals_finalized": _daily("AND movements.block_number <= marks.finalized_number"),
    "treasury_totals_latest": _by_treasury("latest"),
    "treasury_totals_finalized": _by_treasury("finalized"),
    "campaign_totals_latest": _by_campaign("latest"),
    "campaign_totals_finalized": _by_campaign("finalized"),
}
"""In the order in which one may rest on another."""


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("factory", sa.LargeBinary(), nullable=False),
        sa.Column("campaign", sa.LargeBinary(), nullable=False),
        sa.Column("identifier_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "campaign", name=op.f("pk_campaigns")),
        sa.UniqueConstraint(
            "chain_id",
            "factory",
            "identifier_hash",
            name=op.f("uq_campaigns_chain_id_factory_identifier_hash"),
        ),
        schema="chain",
    )
    op.create_table(
        "daily_totals",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("confirmed_count", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_amount", sa.Numeric(78, 0), nullable=False),
        sa.Column("refunded_count", sa.BigInteger(), nullable=False),
        sa.Column("refunded_amount", sa.Numeric(78, 0), nullable=False),
        sa.PrimaryKeyConstraint(
            "chain_id", "treasury", "token", "day", name=op.f("pk_daily_totals")
        ),
        schema="chain",
    )
    op.create_table(
        "payment_lives",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.LargeBinary(), nullable=False),
        sa.Column("life", sa.Integer(), nullable=False),
        sa.Column("is_present", sa.Boolean(), nullable=False),
        sa.Column("announced_id", sa.LargeBinary(), nullable=False),
        sa.Column("is_crypto", sa.Boolean(), nullable=False),
        sa.Column("abi_version", sa.SmallInteger(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("buyer_id", sa.LargeBinary(), nullable=False),
        sa.Column("item_id", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("amount", sa.Numeric(78, 0), nullable=False),
        sa.Column("expiration", sa.Numeric(78, 0), nullable=False),
        sa.Column("created_block", sa.BigInteger(), nullable=False),
        sa.Column("created_log_index", sa.Integer(), nullable=False),
        sa.Column("created_block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_tx", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed_block", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_log_index", sa.Integer(), nullable=True),
        sa.Column("confirmed_ordinal", sa.Integer(), nullable=True),
        sa.Column("confirmed_block_hash", sa.LargeBinary(), nullable=True),
        sa.Column("confirmed_tx", sa.LargeBinary(), nullable=True),
        sa.Column("ended_block", sa.BigInteger(), nullable=True),
        sa.Column("ended_log_index", sa.Integer(), nullable=True),
        sa.Column("ended_block_hash", sa.LargeBinary(), nullable=True),
        sa.Column("ended_tx", sa.LargeBinary(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("refunded_amount", sa.Numeric(78, 0), nullable=True),
        sa.Column("claimer", sa.LargeBinary(), nullable=True),
        sa.Column(
            "state",
            sa.Text(),
            sa.Computed(
                "CASE WHEN ended_block IS NOT NULL THEN outcome WHEN confirmed_block IS NOT NULL THEN 'confirmed' ELSE 'created' END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "chain_id", "treasury", "payment_id", "life", name=op.f("pk_payment_lives")
        ),
        schema="chain",
    )
    op.create_index(
        "ix_payment_lives_announced",
        "payment_lives",
        ["chain_id", "treasury", "announced_id"],
        unique=False,
        schema="chain",
        postgresql_where=sa.text("is_crypto"),
    )
    op.create_index(
        "ix_payment_lives_confirmed",
        "payment_lives",
        ["chain_id", "confirmed_block"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_payment_lives_created",
        "payment_lives",
        ["chain_id", "created_block"],
        unique=False,
        schema="chain",
    )
    op.create_index(
        "ix_payment_lives_ended",
        "payment_lives",
        ["chain_id", "ended_block"],
        unique=False,
        schema="chain",
        postgresql_where=sa.text("ended_block IS NOT NULL"),
    )
    op.create_index(
        "ix_payment_lives_payment_id", "payment_lives", ["payment_id"], unique=False, schema="chain"
    )
    op.create_table(
        "transactions",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "tx_hash", name=op.f("pk_transactions")),
        schema="chain",
    )
    op.create_index(
        "ix_transactions_block",
        "transactions",
        ["chain_id", "block_number"],
        unique=False,
        schema="chain",
    )
    op.create_table(
        "treasuries",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=False),
        sa.Column("factory", sa.LargeBinary(), nullable=False),
        sa.Column("treasury", sa.LargeBinary(), nullable=False),
        sa.Column("campaign", sa.LargeBinary(), nullable=False),
        sa.Column("platform_hash", sa.LargeBinary(), nullable=False),
        sa.Column("implementation_id", sa.Numeric(78, 0), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "treasury", name=op.f("pk_treasuries")),
        sa.UniqueConstraint(
            "chain_id",
            "factory",
            "campaign",
            "platform_hash",
            name=op.f("uq_treasuries_chain_id_factory_campaign_platform_hash"),
        ),
        schema="chain",
    )
    for name, query in _VIEWS.items():
        op.execute(f"CREATE VIEW chain.{name} AS {query}")


def downgrade() -> None:
    for name in reversed(_VIEWS):
        op.execute(f"DROP VIEW chain.{name}")
    for name in ("campaigns", "daily_totals", "payment_lives", "transactions", "treasuries"):
        op.drop_table(name, schema="chain")
