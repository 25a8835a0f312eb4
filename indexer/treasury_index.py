"""What is stored of one treasury: sums, outflows, payments that weigh more than their amount."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    not_,
    or_,
    select,
    tuple_,
)

from indexer.chain.types import Address, BlockNumber, ChainId, hash_from_hex
from indexer.projection_tables import payment_lives, treasuries
from indexer.tables import details, logs

Cut = tuple[BlockNumber, int]
"""A block, and the last log of it that counts."""
_WITH_TOKEN = 3
"""The first abi_version whose events name the token."""
_OUTFLOWS = ("WithdrawalWithFeeSuccessful", "ExpiredFundsClaimed")


@dataclass(frozen=True, slots=True)
class LifeWithItems:
    """A payment that has line items, or of which that is not known."""

    token: Address
    created: Cut
    confirmed: Cut | None
    ended: Cut | None
    outcome: str | None
    goal_items: int | None
    """Base units of its items that count toward the goal; None when they are not known."""
    doubt: str
    """Why not."""


class TreasuryIndex:
    """Queries on one treasury, in one transaction."""

    def __init__(self, connection: Connection, chain_id: ChainId, treasury: Address) -> None:
        self._connection = connection
        self._chain_id = chain_id
        self._treasury = treasury
        self._lives = and_(
            payment_lives.c.chain_id == chain_id, payment_lives.c.treasury == treasury
        )
        self._logs = and_(logs.c.chain_id == chain_id, logs.c.address == treasury)

    def names_tokens(self, at: BlockNumber) -> bool:
        """Whether every event up to a block is of a shape that names the token."""
        lives = select(payment_lives.c.life).where(
            self._lives,
            payment_lives.c.created_block <= at,
            payment_lives.c.abi_version < _WITH_TOKEN,
        )
        logged = select(logs.c.log_index).where(
            self._logs, logs.c.block_number <= at, logs.c.abi_version < _WITH_TOKEN
        )
        return not any(self._connection.execute(one.limit(1)).first() for one in (lives, logged))

    def outflows(self, at: BlockNumber) -> Sequence[Row[Any, Any, Any, Any]]:
        """Withdrawals and sweeps, in order."""
        return self._logged(_OUTFLOWS, at)

    def sums(self, cut: Cut) -> Sequence[Row[Any, Any, Any, Any]]:
        """Per token: lifetime, refunded and pending amounts, line items left out."""
        lives = payment_lives.c

        def happened(what: str) -> ColumnElement[bool]:
            place = tuple_(lives[f"{what}_block"], lives[f"{what}_log_index"])
            return func.coalesce(place <= tuple_(*cut), False)

        def total(condition: ColumnElement[bool]) -> ColumnElement[Any]:
            return func.coalesce(func.sum(case((condition, lives.amount), else_=0)), 0)

        pending = and_(not_(happened("confirmed")), not_(happened("ended")))
        refunded = and_(happened("ended"), lives.outcome == "refunded")
        return self._connection.execute(
            select(
                lives.token,
                total(happened("confirmed")).label("lifetime"),
                total(refunded).label("refunded"),
                total(pending).label("pending"),
            )
            .where(self._lives, happened("created"))
            .group_by(lives.token)
        ).all()

    def lives_with_items(self, at: BlockNumber) -> list[LifeWithItems]:
        """Payments created up to a block whose amount is not all that counts as raised."""
        rows = self._connection.execute(self._unsettled(at)).all()
        if not rows:
            return []
        goal_of = self._goal_items(at)
        return [_with_items(row, goal_of) for row in rows]

    def _unsettled(self, at: BlockNumber) -> Select[Any]:
        """Lives whose details say line items, or say nothing."""
        lives = payment_lives.c
        found = and_(
            details.c.chain_id == lives.chain_id,
            details.c.block_number == lives.created_block,
            details.c.log_index == lives.created_log_index,
            details.c.ordinal == 0,
            details.c.kind == "line_items",
        )
        items = details.c.arguments["line_items"]
        return (
            select(payment_lives, details.c.source, details.c.arguments)
            .outerjoin(details, found)
            .where(
                self._lives,
                lives.created_block <= at,
                # Settled in one call: without expiration, and no buyer paid it.
                or_(lives.expiration != 0, lives.is_crypto),
                or_(
                    details.c.source.is_(None),
                    details.c.source == "unavailable",
                    func.jsonb_array_length(items) > 0,
                ),
            )
        )

    def _goal_items(self, at: BlockNumber) -> "_GoalItems":
        extras: _Extras = defaultdict(list)
        for log in self._logged(("PaymentExtrasRecorded",), at):
            key = (log.tx_hash, hash_from_hex(log.arguments["paymentId"]))
            extras[key].append((log.log_index, int(log.arguments["goal"])))
        types: _Types = defaultdict(list)
        for log in self._types_set(at):
            says = log.arguments
            place = (BlockNumber(log.block_number), log.log_index)
            types[says["typeId"]].append((place, says["countsTowardGoal"]))
        return _GoalItems(extras, types)

    def _types_set(self, at: BlockNumber) -> Sequence[Row[Any, Any, Any, Any]]:
        """The platform's types of line items, as they were set."""
        platform = self._connection.scalar(
            select(treasuries.c.platform_hash).where(
                treasuries.c.chain_id == self._chain_id, treasuries.c.treasury == self._treasury
            )
        )
        platform_hex = "0x" + (platform or b"").hex()
        return self._connection.execute(
            select(logs)
            .where(
                logs.c.chain_id == self._chain_id,
                logs.c.event == "PlatformLineItemTypeSet",
                logs.c.block_number <= at,
                logs.c.arguments["platformHash"].astext == platform_hex,
            )
            .order_by(logs.c.block_number, logs.c.log_index)
        ).all()

    def _logged(self, events: Sequence[str], at: BlockNumber) -> Sequence[Row[Any, Any, Any, Any]]:
        return self._connection.execute(
            select(logs)
            .where(self._logs, logs.c.block_number <= at, logs.c.event.in_(events))
            .order_by(logs.c.block_number, logs.c.log_index)
        ).all()


_Extras = defaultdict[tuple[bytes, bytes], list[tuple[int, int]]]
_Types = defaultdict[str, list[tuple[Cut, bool]]]


@dataclass(frozen=True, slots=True)
class _GoalItems:
    extras: _Extras
    """By transaction and payment: what a treasury of ours logs, before the creation it is of."""
    types: _Types
    """By type: when it was set, and whether it counts toward the goal."""

    def logged(self, life: Row[Any]) -> int | None:
        """As the treasury adds them up itself."""
        logged = self.extras.get((life.created_tx, life.announced_id), ())
        before = [goal for place, goal in logged if place < life.created_log_index]
        return before[-1] if before else None

    def added_up(self, life: Row[Any]) -> int | None:
        """By the types as they stood when the payment was created."""
        created = (life.created_block, life.created_log_index)
        total = 0
        for item in life.arguments["line_items"]:
            flags = [goal for place, goal in self.types.get(item["type_id"], ()) if place < created]
            if not flags:
                return None
            total += int(item["amount"]) if flags[-1] else 0
        return total


def _with_items(life: Row[Any], goal_of: _GoalItems) -> LifeWithItems:
    doubt = ""
    goal_items = goal_of.logged(life)
    if goal_items is None:
        if life.source is None:
            doubt = "line items of a payment have not been looked up yet"
        elif life.source == "unavailable":
            doubt = f"line items of a payment are unavailable: {life.arguments['reason']}"
        else:
            goal_items = goal_of.added_up(life)
            doubt = "the type of a line item was set before the first indexed block"

    def place(what: str) -> Cut | None:
        block = getattr(life, f"{what}_block")
        return None if block is None else (block, getattr(life, f"{what}_log_index"))

    return LifeWithItems(
        token=Address(life.token),
        created=(life.created_block, life.created_log_index),
        confirmed=place("confirmed"),
        ended=place("ended"),
        outcome=life.outcome,
        goal_items=goal_items,
        doubt=doubt,
    )
