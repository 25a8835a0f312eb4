"""What a treasury's contract says of its totals, compared with its books: one treasury at a time.

A figure that the books cannot give exactly is ``not_comparable``, with the reason: never a false
mismatch, never a false match. Getters answer in 18 decimals, tokens at par (``TokenAmounts``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from indexer.chain.types import (
    Address,
    BlockNumber,
    to_hex,
)
from indexer.details.calldata import selector
from indexer.details.read import NotNow, StateLost, StateReader, Unavailable, ask
from indexer.treasury_books import TokenBook, TreasuryBook

Verdict = Literal["equal", "different", "not_comparable"]
COMMON_DECIMALS = 18


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of one treasury."""

    treasury: Address
    getter: str
    verdict: Verdict
    indexed: int | None
    """18 decimals, as ``onchain``; None where the index cannot tell."""
    onchain: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Figure:
    """A getter, and what it adds up."""

    getter: str
    of: Callable[[TokenBook], int]
    rests_on: tuple[str, ...]


_RAISED = ("lifetime", "refunded", "swept")
_REFUNDED = _Figure("getRefundedAmount", lambda book: book.refunded, ("refunded",))
# Oak's: lifetime minus confirmed, which a sweep lowers too.
_REFUNDED_OR_SWEPT = _Figure(
    "getRefundedAmount", lambda book: book.refunded + book.swept, ("refunded", "swept")
)
_FIGURES = (
    _Figure("getRaisedAmount", lambda book: book.raised, _RAISED),
    _Figure("getAvailableRaisedAmount", lambda book: book.available, (*_RAISED, "withdrawn")),
    _Figure("getLifetimeRaisedAmount", lambda book: book.lifetime, ("lifetime",)),
    _Figure("getExpectedAmount", lambda book: book.pending, ("pending",)),
)


class Auditor:
    """Asks contracts at one block."""

    def __init__(self, reader: StateReader, at: BlockNumber) -> None:
        self._reader = reader
        self._at = at
        self._decimals: dict[Address, int | Unavailable] = {}

    def findings(self, treasury: Address, book: TreasuryBook) -> Iterator[Finding]:
        """Every figure of one treasury.

        Raises:
            NotNow: The node does not tell the state of this one.
            RpcUnavailable: No node answered.
        """
        kind = self._get(treasury, "getplatformHash()", "bytes32")
        if isinstance(kind, Unavailable):
            # Pledge treasuries spell it otherwise, and keep no payments.
            reason = f"not a payment treasury: {kind.reason}"
            for figure in (*_FIGURES, _REFUNDED):
                yield _not_comparable(treasury, figure, reason)
            return
        for figure in (*_FIGURES, self._refunded(treasury, book)):
            yield self._finding(treasury, figure, book)

    def _refunded(self, treasury: Address, book: TreasuryBook) -> _Figure:
        """Only treasuries of ours count refunds apart from sweeps; only they have an escrow."""
        if not any(token.swept for token in book.tokens.values()) and "swept" not in book.doubts:
            return _REFUNDED
        escrow = self._get(treasury, "getRefundEscrow()", "address")
        return _REFUNDED_OR_SWEPT if isinstance(escrow, Unavailable) else _REFUNDED

    def _finding(self, treasury: Address, figure: _Figure, book: TreasuryBook) -> Finding:
        onchain = self._get(treasury, f"{figure.getter}()", "uint256")
        if isinstance(onchain, Unavailable):
            return _not_comparable(treasury, figure, onchain.reason)
        doubts = [book.doubts[total] for total in figure.rests_on if total in book.doubts]
        indexed = self._normalised(figure, book)
        if isinstance(indexed, Unavailable):
            doubts.append(indexed.reason)
        if doubts or isinstance(indexed, Unavailable):
            return _not_comparable(treasury, figure, doubts[0], onchain)
        verdict: Verdict = "equal" if indexed == onchain else "different"
        return Finding(treasury, figure.getter, verdict, indexed, onchain, None)

    def _normalised(self, figure: _Figure, book: TreasuryBook) -> int | Unavailable:
        """As the contract adds up its tokens."""
        total = 0
        for token, of_token in book.tokens.items():
            if token not in self._decimals:
                self._decimals[token] = self._get(token, "decimals()", "uint8")
            decimals = self._decimals[token]
            if isinstance(decimals, Unavailable):
                return Unavailable(f"decimals of token {to_hex(token)}: {decimals.reason}")
            total += to_common_unit(figure.of(of_token), decimals)
        return total

    def _get(self, contract: Address, signature: str, answer: str) -> "int | Unavailable":
        found: int | Unavailable = ask(
            self._reader, contract, selector(signature), answer, self._at
        )
        if isinstance(found, StateLost):
            raise NotNow(found.reason)
        return found


def to_common_unit(base_units: int, decimals: int) -> int:
    """An amount in 18 decimals; a token with more loses its last digits, rounded down."""
    if decimals <= COMMON_DECIMALS:
        return int(base_units * 10 ** (COMMON_DECIMALS - decimals))
    return int(base_units // 10 ** (decimals - COMMON_DECIMALS))


def _not_comparable(
    treasury: Address, figure: _Figure, reason: str, onchain: int | None = None
) -> Finding:
    return Finding(treasury, figure.getter, "not_comparable", None, onchain, reason)
