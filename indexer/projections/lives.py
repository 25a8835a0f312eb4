"""Every life of every payment, from the facts of a range, in one statement.

Facts of one id, in the order of the chain, are a row of creations, confirmations and ends. Those
without effect are dropped first: a confirmation counts only right after its life's creation, an end
only where the life has none yet. What is left of a life stands side by side, so that a life with
its confirmation and its end is one row written once. What stands before the first creation of the
range belongs to the life that was present before it.
"""

from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, Connection, Integer, LargeBinary, bindparam, text

from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.projections.refunds import Meant

_BYTES = ARRAY(LargeBinary)
_TREASURIES = bindparam("treasuries", type_=_BYTES)
_MANY_BLOCKS = 16
"""From here on a range may hold more facts than are sorted in Postgres' default 4 MB."""

_FOLD = text(
    """
WITH facts AS (
    SELECT treasury, payment_id, block_number, log_index, 0 AS ordinal, 0 AS kind, block_hash,
        tx_hash, announced_id, is_crypto, abi_version, buyer, buyer_id, item_id, token, amount,
        expiration, NULL::text AS outcome
    FROM chain.payments_created
    WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
        AND (:treasuries IS NULL OR treasury = ANY(:treasuries))
    UNION ALL
    SELECT treasury, payment_id, block_number, log_index, ordinal, 1, block_hash,
        tx_hash, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM chain.payments_confirmed
    WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
        AND (:treasuries IS NULL OR treasury = ANY(:treasuries))
    UNION ALL
    SELECT logs.address, coalesce(meant.payment_id, named.payment_id), logs.block_number,
        logs.log_index, 0, 2, logs.block_hash, logs.tx_hash, NULL, NULL, NULL,
        decode(substr(logs.arguments ->> 'claimer', 3), 'hex'), NULL, NULL, NULL,
        (logs.arguments ->> 'refundAmount')::numeric, NULL,
        CASE logs.event WHEN 'RefundClaimed' THEN 'refunded' ELSE 'cancelled' END
    FROM chain.logs
    CROSS JOIN LATERAL (
        SELECT decode(substr(logs.arguments ->> 'paymentId', 3), 'hex') AS payment_id
    ) AS named
    LEFT JOIN unnest(:meant_blocks, :meant_indexes, :meant_ids)
        AS meant (block_number, log_index, payment_id)
        ON meant.block_number = logs.block_number AND meant.log_index = logs.log_index
    WHERE logs.chain_id = :chain_id AND logs.block_number BETWEEN :low AND :high
        AND logs.event IN ('RefundClaimed', 'PaymentCancelled')
        AND (:treasuries IS NULL OR logs.address = ANY(:treasuries))
), ordered AS (
    SELECT *, lag(kind) OVER by_id AS before FROM facts
    WINDOW by_id AS (
        PARTITION BY treasury, payment_id ORDER BY block_number, log_index, kind, ordinal
    )
), confirmed_once AS (
    SELECT *, lag(kind) OVER by_id AS earlier FROM ordered
    WHERE kind <> 1 OR coalesce(before, 0) = 0
    WINDOW by_id AS (
        PARTITION BY treasury, payment_id ORDER BY block_number, log_index, kind, ordinal
    )
), ended_once AS (
    SELECT *,
        row_number() OVER by_id AS place,
        count(*) FILTER (WHERE kind = 0) OVER by_id AS born,
        lead(kind) OVER by_id AS kind_1, lead(kind, 2) OVER by_id AS kind_2,
        lead(block_number) OVER by_id AS block_1, lead(block_number, 2) OVER by_id AS block_2,
        lead(log_index) OVER by_id AS log_1, lead(log_index, 2) OVER by_id AS log_2,
        lead(block_hash) OVER by_id AS hash_1, lead(block_hash, 2) OVER by_id AS hash_2,
        lead(tx_hash) OVER by_id AS tx_1, lead(tx_hash, 2) OVER by_id AS tx_2,
        lead(ordinal) OVER by_id AS ordinal_1,
        lead(outcome) OVER by_id AS outcome_1, lead(outcome, 2) OVER by_id AS outcome_2,
        lead(amount) OVER by_id AS amount_1, lead(amount, 2) OVER by_id AS amount_2,
        lead(buyer) OVER by_id AS claimer_1, lead(buyer, 2) OVER by_id AS claimer_2,
        count(*) FILTER (WHERE kind = 0) OVER (PARTITION BY treasury, payment_id) AS births
    FROM confirmed_once
    WHERE kind <> 2 OR coalesce(earlier, 0) < 2
    WINDOW by_id AS (
        PARTITION BY treasury, payment_id ORDER BY block_number, log_index, kind, ordinal
    )
), lives AS MATERIALIZED (
    SELECT ended_once.*, present.life AS present_life
    FROM ended_once
    LEFT JOIN LATERAL (
        SELECT max(life) AS life FROM chain.payment_lives AS old
        WHERE old.chain_id = :chain_id AND old.treasury = ended_once.treasury
            AND old.payment_id = ended_once.payment_id
    ) AS present ON true
    WHERE kind = 0 OR place = 1
), heard AS (
    SELECT treasury, payment_id, present_life, births,
        CASE kind WHEN 1 THEN block_number END AS confirmed_block,
        CASE kind WHEN 1 THEN log_index END AS confirmed_log_index,
        CASE kind WHEN 1 THEN ordinal END AS confirmed_ordinal,
        CASE kind WHEN 1 THEN block_hash END AS confirmed_block_hash,
        CASE kind WHEN 1 THEN tx_hash END AS confirmed_tx,
        CASE WHEN kind = 2 THEN block_number WHEN kind = 1 AND kind_1 = 2 THEN block_1 END
            AS ended_block,
        CASE WHEN kind = 2 THEN log_index WHEN kind = 1 AND kind_1 = 2 THEN log_1 END
            AS ended_log_index,
        CASE WHEN kind = 2 THEN block_hash WHEN kind = 1 AND kind_1 = 2 THEN hash_1 END
            AS ended_block_hash,
        CASE WHEN kind = 2 THEN tx_hash WHEN kind = 1 AND kind_1 = 2 THEN tx_1 END AS ended_tx,
        CASE WHEN kind = 2 THEN outcome WHEN kind = 1 AND kind_1 = 2 THEN outcome_1 END AS outcome,
        CASE WHEN kind = 2 THEN amount WHEN kind = 1 AND kind_1 = 2 THEN amount_1 END
            AS refunded_amount,
        CASE WHEN kind = 2 THEN buyer WHEN kind = 1 AND kind_1 = 2 THEN claimer_1 END AS claimer
    FROM lives
    WHERE place = 1 AND present_life IS NOT NULL
), continued AS (
    UPDATE chain.payment_lives AS old SET
        is_present = heard.births = 0,
        confirmed_block = CASE WHEN old.ended_block IS NULL
            THEN coalesce(old.confirmed_block, heard.confirmed_block)
            ELSE old.confirmed_block END,
        confirmed_log_index = CASE WHEN old.ended_block IS NULL
            THEN coalesce(old.confirmed_log_index, heard.confirmed_log_index)
            ELSE old.confirmed_log_index END,
        confirmed_ordinal = CASE WHEN old.ended_block IS NULL
            THEN coalesce(old.confirmed_ordinal, heard.confirmed_ordinal)
            ELSE old.confirmed_ordinal END,
        confirmed_block_hash = CASE WHEN old.ended_block IS NULL
            THEN coalesce(old.confirmed_block_hash, heard.confirmed_block_hash)
            ELSE old.confirmed_block_hash END,
        confirmed_tx = CASE WHEN old.ended_block IS NULL
            THEN coalesce(old.confirmed_tx, heard.confirmed_tx)
            ELSE old.confirmed_tx END,
        ended_block = coalesce(old.ended_block, heard.ended_block),
        ended_log_index = coalesce(old.ended_log_index, heard.ended_log_index),
        ended_block_hash = coalesce(old.ended_block_hash, heard.ended_block_hash),
        ended_tx = coalesce(old.ended_tx, heard.ended_tx),
        outcome = coalesce(old.outcome, heard.outcome),
        refunded_amount = CASE WHEN old.ended_block IS NULL THEN heard.refunded_amount
            ELSE old.refunded_amount END,
        claimer = CASE WHEN old.ended_block IS NULL THEN heard.claimer ELSE old.claimer END
    FROM heard
    WHERE old.chain_id = :chain_id AND old.treasury = heard.treasury
        AND old.payment_id = heard.payment_id AND old.life = heard.present_life
        AND (heard.births > 0 OR old.ended_block IS NULL)
)
INSERT INTO chain.payment_lives (
    chain_id, treasury, payment_id, life, is_present, announced_id, is_crypto, abi_version, buyer,
    buyer_id, item_id, token, amount, expiration, created_block, created_log_index,
    created_block_hash, created_tx, confirmed_block, confirmed_log_index, confirmed_ordinal,
    confirmed_block_hash, confirmed_tx, ended_block, ended_log_index, ended_block_hash, ended_tx,
    outcome, refunded_amount, claimer
)
SELECT
    :chain_id, treasury, payment_id, coalesce(present_life, 0) + born, born = births, announced_id,
    is_crypto, abi_version, buyer, buyer_id, item_id, token, amount, expiration, block_number,
    log_index, block_hash, tx_hash,
    CASE kind_1 WHEN 1 THEN block_1 END,
    CASE kind_1 WHEN 1 THEN log_1 END,
    CASE kind_1 WHEN 1 THEN ordinal_1 END,
    CASE kind_1 WHEN 1 THEN hash_1 END,
    CASE kind_1 WHEN 1 THEN tx_1 END,
    CASE WHEN kind_1 = 2 THEN block_1 WHEN kind_1 = 1 AND kind_2 = 2 THEN block_2 END,
    CASE WHEN kind_1 = 2 THEN log_1 WHEN kind_1 = 1 AND kind_2 = 2 THEN log_2 END,
    CASE WHEN kind_1 = 2 THEN hash_1 WHEN kind_1 = 1 AND kind_2 = 2 THEN hash_2 END,
    CASE WHEN kind_1 = 2 THEN tx_1 WHEN kind_1 = 1 AND kind_2 = 2 THEN tx_2 END,
    CASE WHEN kind_1 = 2 THEN outcome_1 WHEN kind_1 = 1 AND kind_2 = 2 THEN outcome_2 END,
    CASE WHEN kind_1 = 2 THEN amount_1 WHEN kind_1 = 1 AND kind_2 = 2 THEN amount_2 END,
    CASE WHEN kind_1 = 2 THEN claimer_1 WHEN kind_1 = 1 AND kind_2 = 2 THEN claimer_2 END
FROM lives
WHERE kind = 0
"""
).bindparams(
    _TREASURIES,
    bindparam("meant_blocks", type_=ARRAY(BigInteger)),
    bindparam("meant_indexes", type_=ARRAY(Integer)),
    bindparam("meant_ids", type_=_BYTES),
)

_UNBEAR = text(
    """
WITH gone AS (
    DELETE FROM chain.payment_lives
    WHERE chain_id = :chain_id AND created_block > :ancestor
        AND (:treasuries IS NULL OR treasury = ANY(:treasuries))
    RETURNING treasury, payment_id, life
), lowest AS (
    SELECT treasury, payment_id, min(life) AS life FROM gone GROUP BY treasury, payment_id
)
UPDATE chain.payment_lives AS old SET is_present = true
FROM lowest
WHERE old.chain_id = :chain_id AND old.treasury = lowest.treasury
    AND old.payment_id = lowest.payment_id AND old.life = lowest.life - 1
"""
).bindparams(_TREASURIES)

_UNEND = text(
    """
UPDATE chain.payment_lives SET ended_block = NULL, ended_log_index = NULL, ended_block_hash = NULL,
    ended_tx = NULL, outcome = NULL, refunded_amount = NULL, claimer = NULL
WHERE chain_id = :chain_id AND ended_block > :ancestor
    AND (:treasuries IS NULL OR treasury = ANY(:treasuries))
"""
).bindparams(_TREASURIES)

_UNCONFIRM = text(
    """
UPDATE chain.payment_lives SET confirmed_block = NULL, confirmed_log_index = NULL,
    confirmed_ordinal = NULL, confirmed_block_hash = NULL, confirmed_tx = NULL
WHERE chain_id = :chain_id AND confirmed_block > :ancestor
    AND (:treasuries IS NULL OR treasury = ANY(:treasuries))
"""
).bindparams(_TREASURIES)

# A plan made while the table was small would go through all of it for each fact when it is large.
_FRESH_PLAN = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
_MEMORY = text("SELECT set_config('work_mem', '64MB', true)")


def fold_lives(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
    *,
    treasuries: Sequence[Address] | None,
    meant: Sequence[Meant],
) -> None:
    """Write what the payment facts of blocks ``low`` to ``high`` make of the lives before them.

    Args:
        connection: In a transaction; no life may rest on a block from ``low`` on.
        chain_id: The chain.
        low: First block.
        high: Last block.
        treasuries: Whose facts; None for everybody's.
        meant: Refunds that end another payment than the one they name.
    """
    connection.execute(_FRESH_PLAN)
    if high - low >= _MANY_BLOCKS:
        connection.execute(_MEMORY)
    connection.execute(
        _FOLD,
        {
            "chain_id": chain_id,
            "low": low,
            "high": high,
            "treasuries": None if treasuries is None else list(treasuries),
            "meant_blocks": [one.block_number for one in meant],
            "meant_indexes": [one.log_index for one in meant],
            "meant_ids": [one.payment_id for one in meant],
        },
    )


def undo_lives(
    connection: Connection,
    chain_id: ChainId,
    ancestor: BlockNumber,
    *,
    treasuries: Sequence[Address] | None = None,
) -> None:
    """Make the lives again what they were after ``ancestor``.

    Args:
        connection: In a transaction.
        chain_id: The chain.
        ancestor: Last block that counts.
        treasuries: Whose lives; None for everybody's.
    """
    values = {
        "chain_id": chain_id,
        "ancestor": ancestor,
        "treasuries": None if treasuries is None else list(treasuries),
    }
    for statement in (_UNBEAR, _UNEND, _UNCONFIRM):
        connection.execute(statement, values)
