"""What the index says a treasury's totals are at a block, per token, in base units.

Counted as the contracts count (``TokenLedger``; Oak's ``BasePaymentTreasury``): a payment weighs
its amount and those of its line items that count toward the goal; a withdrawal and a sweep take all
that is available. Where a payment's line items are not known, the totals it weighs in are in doubt,
and say so, rather than wrong.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal, assert_never

from sqlalchemy import Connection

from indexer.chain.types import Address, BlockNumber, ChainId, address_from_hex
from indexer.treasury_index import Cut, LifeWithItems, TreasuryIndex

Total = Literal["lifetime", "refunded", "pending"]
_TOTALS: tuple[Total, ...] = ("lifetime", "refunded", "pending")
_LAST_LOG = 2**31 - 1


@dataclass(slots=True)
class TokenBook:
    """Totals of one token, base units."""

    lifetime: int = 0
    """Ever confirmed."""
    refunded: int = 0
    pending: int = 0
    """Created, neither confirmed nor cancelled."""
    withdrawn: int = 0
    """Left to the owner, fees included."""
    swept: int = 0
    """Left to the platform after the campaign."""

    @property
    def raised(self) -> int:
        """Confirmed, minus refunds and sweeps; withdrawn money included."""
        return self.lifetime - self.refunded - self.swept

    @property
    def available(self) -> int:
        """Raised, and still there."""
        return self.raised - self.withdrawn


@dataclass(slots=True)
class TreasuryBook:
    """Totals of a treasury, and why some of them are in doubt."""

    tokens: defaultdict[Address, TokenBook] = field(default_factory=lambda: defaultdict(TokenBook))
    doubts: dict[str, str] = field(default_factory=dict)
    """By the name of a stored total of ``TokenBook``."""


def treasury_book(
    connection: Connection, chain_id: ChainId, treasury: Address, at: BlockNumber
) -> TreasuryBook:
    """Add up what is indexed of a treasury up to the end of a block.

    Args:
        connection: In a transaction that sees one state of the index.
        chain_id: The chain.
        treasury: The treasury.
        at: The last block that counts; indexed and final.
    """
    index = TreasuryIndex(connection, chain_id, treasury)
    if not index.names_tokens(at):
        reason = "events of this treasury name no token: it is of abi_version 1 or 2"
        return TreasuryBook(doubts=dict.fromkeys((*_TOTALS, "withdrawn", "swept"), reason))
    with_items = index.lives_with_items(at)
    book = _totals(index, with_items, (at, _LAST_LOG))
    for outflow in index.outflows(at):
        says = outflow.arguments
        address = address_from_hex(says["token"])
        token = book.tokens[address]
        if outflow.event == "WithdrawalWithFeeSuccessful":
            token.withdrawn += int(says["amount"]) + int(says["fee"])
            continue
        then = _totals(index, with_items, (outflow.block_number, outflow.log_index))
        earlier = then.tokens[address]
        token.swept += earlier.lifetime - earlier.refunded - token.swept - token.withdrawn
        for doubt in filter(None, (then.doubts.get("lifetime"), then.doubts.get("refunded"))):
            book.doubts["swept"] = doubt
    return book


def _totals(index: TreasuryIndex, with_items: list[LifeWithItems], cut: Cut) -> TreasuryBook:
    """Lifetime, refunded and pending up to a cut."""
    book = TreasuryBook()
    for row in index.sums(cut):
        token = book.tokens[Address(row.token)]
        token.lifetime, token.refunded, token.pending = (
            int(row.lifetime),
            int(row.refunded),
            int(row.pending),
        )
    for life in with_items:
        for total in _TOTALS:
            if not weighs(life, total, cut):
                continue
            if life.goal_items is None:
                book.doubts[total] = life.doubt
            else:
                token = book.tokens[life.token]
                setattr(token, total, getattr(token, total) + life.goal_items)
    return book


def weighs(life: LifeWithItems, total: Total, cut: Cut) -> bool:
    """Whether a payment counts in a total at a cut; as ``TreasuryIndex.sums`` has it."""

    def happened(place: Cut | None) -> bool:
        return place is not None and place <= cut

    match total:
        case "lifetime":
            return happened(life.confirmed)
        case "refunded":
            return happened(life.ended) and life.outcome == "refunded"
        case "pending":
            is_open = not happened(life.confirmed) and not happened(life.ended)
            return happened(life.created) and is_open
        case _:
            assert_never(total)
