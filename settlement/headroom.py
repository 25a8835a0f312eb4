"""Headroom: what was sent to a treasury less what its sealed confirmations claim.

Tokens are not tagged to payments. Both sums are over what may still have effect, so headroom is
never spent twice; refunds and withdrawals take tokens and claims alike, a sweep of surplus only
tokens.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    any_,
    exists,
    func,
    literal,
    select,
    union_all,
)

from indexer.chain.types import Address, ChainId, TokenAmount
from indexer.db.columns import ADDRESS
from indexer.projection_tables import payment_lives
from indexer.tables import token_transfers
from indexer.views import surplus_sweeps
from settlement.tables import attempts, batches, nonce_slots
from settlement.types import CONFIRMING, FUND

Headrooms = Mapping[tuple[Address, Address], TokenAmount]
"""By treasury and token; negative where over-claimed, 0 where nothing ever moved."""


def headroom(
    connection: Connection,
    *,
    chain_id: ChainId,
    treasury: Address,
    token: Address,
    mined_only: bool,
) -> TokenAmount:
    """Tokens of one treasury that no sealed confirmation claims; as ``headrooms``."""
    found = headrooms(connection, chain_id=chain_id, treasuries=[treasury], mined_only=mined_only)
    return found[treasury, token]


def headrooms(
    connection: Connection, *, chain_id: ChainId, treasuries: Sequence[Address], mined_only: bool
) -> Headrooms:
    """Tokens that no sealed confirmation claims, of many treasuries as quickly as of one.

    Args:
        connection: Sees the lane's own rows; lock the signer first when an answer is spent.
        chain_id: Chain of the treasuries.
        treasuries: The treasuries.
        mined_only: Count only our transfers that were mined, not those on their way.
    """
    wanted = literal(list(treasuries), ARRAY(ADDRESS))
    sent = [nonce_slots.c.state == "mined_ok"] if mined_only else []
    parts = {
        "sent": _sent(chain_id, wanted, *sent),
        "claimed": _claimed(chain_id, wanted),
        "swept": _swept(chain_id, wanted),
        "given": _given(chain_id, wanted),
        "brought": _brought(chain_id, wanted),
    }
    in_one = union_all(*(query.add_columns(literal(part)) for part, query in parts.items()))
    sums: dict[tuple[Address, Address], dict[str, int]] = defaultdict(dict)
    for treasury, token, amount, part in connection.execute(in_one):
        sums[treasury, token][part] = int(amount)
    found = {key: _unclaimed(of) for key, of in sums.items()}
    return defaultdict(lambda: TokenAmount(0), found)


def _unclaimed(sums: Mapping[str, int]) -> TokenAmount:
    """What is left of one treasury's one token."""
    # A crypto payment brings its tokens and claims them in one transaction.
    given = sums.get("given", 0) - sums.get("brought", 0)
    ours = sums.get("sent", 0) - sums.get("claimed", 0) - sums.get("swept", 0)
    return TokenAmount(ours + max(0, given))


def _sent(
    chain_id: ChainId, wanted: ColumnElement[Sequence[bytes]], *more: ColumnElement[bool]
) -> Select[Any]:
    return (
        select(batches.c.treasury, batches.c.token, func.sum(batches.c.amount_base_units))
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(
            batches.c.chain_id == chain_id,
            batches.c.treasury == any_(wanted),
            batches.c.kind == FUND,
            batches.c.released_at.is_(None),
            nonce_slots.c.state.not_in(("mined_failed", "foreign")),
            *more,
        )
        .group_by(batches.c.treasury, batches.c.token)
    )


def _claimed(chain_id: ChainId, wanted: ColumnElement[Sequence[bytes]]) -> Select[Any]:
    return _sums(
        batches,
        batches.c.treasury,
        and_(
            batches.c.chain_id == chain_id,
            batches.c.treasury == any_(wanted),
            batches.c.kind.in_(CONFIRMING),
            batches.c.released_at.is_(None),
        ),
        amount=batches.c.amount_base_units,
    )


def _given(chain_id: ChainId, wanted: ColumnElement[Sequence[bytes]]) -> Select[Any]:
    return _sums(
        token_transfers,
        token_transfers.c.recipient,
        and_(
            token_transfers.c.chain_id == chain_id,
            token_transfers.c.recipient == any_(wanted),
            # Our own funding is counted as batches, whichever key signed it.
            ~exists().where(
                attempts.c.tx_hash == token_transfers.c.tx_hash,
                nonce_slots.c.chain_id == attempts.c.chain_id,
                nonce_slots.c.signer == attempts.c.signer,
                nonce_slots.c.nonce == attempts.c.nonce,
                batches.c.id == nonce_slots.c.batch_id,
                batches.c.kind == FUND,
                batches.c.released_at.is_(None),
            ),
        ),
        amount=token_transfers.c.amount,
    )


def _brought(chain_id: ChainId, wanted: ColumnElement[Sequence[bytes]]) -> Select[Any]:
    return _sums(
        payment_lives,
        payment_lives.c.treasury,
        and_(
            payment_lives.c.chain_id == chain_id,
            payment_lives.c.treasury == any_(wanted),
            payment_lives.c.is_crypto,
        ),
        amount=payment_lives.c.amount,
    )


def _swept(chain_id: ChainId, wanted: ColumnElement[Sequence[bytes]]) -> Select[Any]:
    return _sums(
        surplus_sweeps,
        surplus_sweeps.c.treasury,
        and_(surplus_sweeps.c.chain_id == chain_id, surplus_sweeps.c.treasury == any_(wanted)),
        amount=surplus_sweeps.c.amount,
    )


def _sums(
    table: Table,
    treasury: ColumnElement[object],
    condition: ColumnElement[bool],
    *,
    amount: ColumnElement[object],
) -> Select[Any]:
    """Sum amounts by treasury and token."""
    return (
        select(treasury, table.c.token, func.sum(amount))
        .where(condition)
        .group_by(treasury, table.c.token)
    )
