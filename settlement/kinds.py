"""The seam between settlement and a kind of treasury: its calldata, caps and gas."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from indexer.errors import ConfigurationError
from settlement import calldata
from settlement.types import DueRequest


class TreasuryKind(Protocol):
    """What settlement must know of a treasury to create and confirm payments in it."""

    @property
    def name(self) -> str:
        """Its name in deployment records and campaign requests."""
        ...

    @property
    def items_max(self) -> int:
        """Payments that one call may carry."""
        ...

    def create_calldata(self, requests: Sequence[DueRequest], expiration: datetime) -> bytes:
        """Calldata that creates these payments."""
        ...

    def confirm_calldata(self, requests: Sequence[DueRequest]) -> bytes:
        """Calldata that confirms these payments."""
        ...

    def create_gas(self, items: int) -> int:
        """Gas a creation of so many payments uses at most; only the first cut rests on it."""
        ...

    def confirm_gas(self, items: int) -> int:
        """Gas a confirmation of so many payments uses at most; as ``create_gas``."""
        ...


class PaymentTreasury:
    """``PaymentTreasury``: create, then confirm."""

    name = "payment-treasury"
    items_max = 1_000  # MAX_BATCH_SIZE of our PaymentTreasury

    def create_calldata(self, requests: Sequence[DueRequest], expiration: datetime) -> bytes:
        """``createPaymentBatch``."""
        return calldata.create_payments(requests, expiration)

    def confirm_calldata(self, requests: Sequence[DueRequest]) -> bytes:
        """``confirmPaymentBatch``."""
        return calldata.confirm_payments([request.payment_id for request in requests])

    def create_gas(self, items: int) -> int:
        """Three fresh storage slots and one log a payment."""
        return 100_000 + 78_000 * items  # measured: 76,000 an item

    def confirm_gas(self, items: int) -> int:
        """One storage slot a payment, the totals once."""
        return 120_000 + 9_000 * items  # measured: 7,300 an item


_KINDS: tuple[TreasuryKind, ...] = (PaymentTreasury(),)


def kind_named(name: str) -> TreasuryKind:
    """Look a kind up.

    Raises:
        ConfigurationError: There is none of this name.
    """
    for kind in _KINDS:
        if kind.name == name:
            return kind
    known = ", ".join(kind.name for kind in _KINDS)
    raise ConfigurationError(f"unknown treasury kind {name!r}: choose one of {known}")
