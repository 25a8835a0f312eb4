"""Tokens reach a treasury before its payments are confirmed: the treasury checks, so do we.

Tokens are not tagged to payments. A treasury's *headroom* is what was sent to it less what its
sealed confirmations claim. Both sums are over what may still have effect, so headroom is never
spent twice; refunds and withdrawals take tokens and claims alike, a sweep of surplus only tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select
from sqlalchemy.sql import Select

from indexer.chain.types import Address, BlockNumber, ChainId, TokenAmount
from indexer.projection_tables import payment_lives
from indexer.tables import token_transfers
from indexer.views import surplus_sweeps
from settlement.lifecycle import STRIKES_ALONE
from settlement.tables import attempts, batch_items, batches, nonce_slots, requests
from settlement.types import CONFIRMING, FUND, BatchKind, DueRequest

QUIET_BLOCKS = 10
"""Nodes behind one URL lag behind each other by less than this."""


@dataclass(frozen=True, slots=True)
class FundingPlan:
    """What to move to a treasury, and whom that serves."""

    amount: TokenAmount
    """Token base units to transfer now; 0 when headroom covers all that can be covered."""
    covered: tuple[UUID, ...]
    short: tuple[UUID, ...]
    """Requests that neither headroom nor the wallet can cover."""
    shortfall: TokenAmount
    """Base units missing for ``short``."""


def plan_funding(
    waiting: Sequence[DueRequest], *, headroom: TokenAmount, wallet: TokenAmount
) -> FundingPlan:
    """Cover requests from the front, as far as the money goes.

    Args:
        waiting: Requests of one treasury and token that no confirmation claims yet, by urgency.
        headroom: Unclaimed tokens of the treasury, on their way included; a negative one is made
            good as well.
        wallet: Tokens the signer can still move.
    """
    covered, short = list[UUID](), list[UUID]()
    needed = missing = 0
    for request in waiting:
        if needed + request.amount_base_units <= headroom + wallet:
            needed += request.amount_base_units
            covered.append(request.request_id)
        else:
            missing += request.amount_base_units
            short.append(request.request_id)
    return FundingPlan(
        amount=TokenAmount(max(0, needed - headroom) if covered else 0),
        covered=tuple(covered),
        short=tuple(short),
        shortfall=TokenAmount(needed + missing - headroom - wallet if short else 0),
    )


def headroom(
    connection: Connection,
    *,
    chain_id: ChainId,
    treasury: Address,
    token: Address,
    mined_only: bool,
) -> TokenAmount:
    """Tokens of a treasury that no sealed confirmation claims; negative when over-claimed.

    Args:
        connection: Sees the lane's own rows; lock the signer first when the answer is spent.
        chain_id: Chain of the treasury.
        treasury: The treasury.
        token: The token.
        mined_only: Count only our transfers that were mined, not those on their way.
    """
    mined = [nonce_slots.c.state == "mined_ok"] if mined_only else []
    sent = _sum(
        connection,
        select(func.sum(batches.c.amount_base_units))
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(_funds(chain_id, treasury, token), *mined),
    )
    claimed = _sum(
        connection,
        select(func.sum(requests.c.amount_base_units))
        .join(batch_items, batch_items.c.request_id == requests.c.request_id)
        .where(
            requests.c.chain_id == chain_id,
            requests.c.treasury == treasury,
            requests.c.token == token,
            batch_items.c.kind.in_(CONFIRMING),
            batch_items.c.released_at.is_(None),
        ),
    )
    given = _sum(
        connection,
        select(func.sum(token_transfers.c.amount)).where(
            token_transfers.c.chain_id == chain_id,
            token_transfers.c.recipient == treasury,
            token_transfers.c.token == token,
            # Our own are counted as batches, whichever key signed them.
            ~exists().where(attempts.c.tx_hash == token_transfers.c.tx_hash),
        ),
    )
    # A crypto payment brings its tokens and claims them in one transaction.
    brought = _sum(
        connection,
        select(func.sum(payment_lives.c.amount)).where(
            payment_lives.c.chain_id == chain_id,
            payment_lives.c.treasury == treasury,
            payment_lives.c.token == token,
            payment_lives.c.is_crypto,
        ),
    )
    swept = _sum(
        connection,
        select(func.sum(surplus_sweeps.c.amount)).where(
            surplus_sweeps.c.chain_id == chain_id,
            surplus_sweeps.c.treasury == treasury,
            surplus_sweeps.c.token == token,
        ),
    )
    return TokenAmount(sent - claimed + max(0, given - brought) - swept)


def moving(
    connection: Connection, *, chain_id: ChainId, sender: Address, token: Address
) -> TokenAmount:
    """Tokens in sealed transfers that are not mined: in the sender's wallet, but spoken for."""
    return TokenAmount(
        _sum(
            connection,
            select(func.sum(batches.c.amount_base_units))
            .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
            .where(
                batches.c.chain_id == chain_id,
                batches.c.kind == FUND,
                batches.c.target == token,
                nonce_slots.c.signer == sender,
                nonce_slots.c.state.in_(("reserved", "signed")),
            ),
        )
    )


def is_under_way(
    connection: Connection, *, chain_id: ChainId, treasury: Address, kind: BatchKind
) -> bool:
    """Whether a batch of this kind for this treasury is sealed and not mined."""
    return _any(connection, _unmined(chain_id, treasury, kind))


def company_under_way(
    connection: Connection,
    *,
    chain_id: ChainId,
    treasury: Address,
    kind: BatchKind,
    failed_before: bool,
) -> bool:
    """As ``is_under_way``, for payments that failed before, or for all others, by themselves."""
    failed = exists().where(
        batch_items.c.batch_id == batches.c.id,
        batch_items.c.request_id == requests.c.request_id,
        requests.c.strikes >= STRIKES_ALONE,
    )
    own = failed if failed_before else ~failed
    return _any(connection, _unmined(chain_id, treasury, kind).where(own))


def is_quiet(
    connection: Connection, *, chain_id: ChainId, treasury: Address, head_number: BlockNumber
) -> bool:
    """Whether what nodes say of a treasury's tokens must hold all that we ever moved or claimed.

    So it is once nothing is on its way, and the last that was mined lies ``QUIET_BLOCKS`` back.
    """
    if any(
        is_under_way(connection, chain_id=chain_id, treasury=treasury, kind=kind)
        for kind in (FUND, *CONFIRMING)
    ):
        return False
    last = connection.execute(
        select(func.max(nonce_slots.c.mined_block))
        .join(batches, batches.c.id == nonce_slots.c.batch_id)
        .where(
            batches.c.chain_id == chain_id,
            batches.c.treasury == treasury,
            batches.c.kind.in_((FUND, *CONFIRMING)),
        )
    ).scalar_one()
    return last is None or head_number - last >= QUIET_BLOCKS


def _unmined(chain_id: ChainId, treasury: Address, kind: BatchKind) -> Select[UUID]:
    return (
        select(batches.c.id)
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(
            batches.c.chain_id == chain_id,
            batches.c.treasury == treasury,
            batches.c.kind == kind,
            nonce_slots.c.state.in_(("reserved", "signed")),
        )
    )


def _any(connection: Connection, query: Select[UUID]) -> bool:
    return connection.execute(query.limit(1)).one_or_none() is not None


def _funds(chain_id: ChainId, treasury: Address, token: Address) -> ColumnElement[bool]:
    return and_(
        batches.c.chain_id == chain_id,
        batches.c.treasury == treasury,
        batches.c.kind == FUND,
        batches.c.target == token,
        batches.c.released_at.is_(None),
        nonce_slots.c.state.not_in(("mined_failed", "foreign")),
    )


def _sum(connection: Connection, query: Select[int | None]) -> int:
    return connection.execute(query).scalar_one() or 0
