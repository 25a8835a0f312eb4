"""Tokens reach a treasury before its payments are confirmed: the treasury checks, so do we."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, exists, func, select
from sqlalchemy.sql import Select

from indexer.chain.types import Address, BlockNumber, ChainId, TokenAmount
from settlement.lifecycle import STRIKES_ALONE
from settlement.tables import batch_items, batches, nonce_slots, requests
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
                batches.c.kind.in_((FUND, "transfer_tokens")),
                batches.c.token == token,
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


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A batch that is sealed and not mined."""

    treasury: Address
    kind: BatchKind
    of_failed: bool
    """It carries a payment that failed before."""


def under_way(connection: Connection, chain_id: ChainId) -> frozenset[UnderWay]:
    """All that is sealed and not mined for the treasuries of a chain."""
    failed = exists().where(
        batch_items.c.batch_id == batches.c.id,
        batch_items.c.request_id == requests.c.request_id,
        requests.c.strikes >= STRIKES_ALONE,
    )
    rows = connection.execute(
        select(batches.c.treasury, batches.c.kind, failed)
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(
            batches.c.chain_id == chain_id,
            batches.c.treasury.is_not(None),
            nonce_slots.c.state.in_(("reserved", "signed")),
        )
    )
    return frozenset(UnderWay(*row) for row in rows)


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


def _sum(connection: Connection, query: Select[int | None]) -> int:
    return connection.execute(query).scalar_one() or 0
