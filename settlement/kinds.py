"""The seam between settlement and a kind of treasury: its calldata, caps, gas and refusals.

All kinds answer to ``create`` and ``confirm``; ours also settle in one call what is paid already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from indexer.errors import ConfigurationError
from settlement import calldata
from settlement.reverts import Revert, decode_revert
from settlement.types import DueRequest, PaymentStep

FirstStep = Literal["create", "settle"]


class TreasuryKind(Protocol):
    """What settlement must know of a treasury to bring payments into it."""

    @property
    def name(self) -> str:
        """Its name in deployment records and campaign requests."""
        ...

    @property
    def items_max(self) -> int:
        """Payments that one call may carry."""
        ...

    @property
    def first_step(self) -> FirstStep:
        """What is sent for a payment that is not on-chain: created ones are always confirmed."""
        ...

    def encode(
        self, step: PaymentStep, requests: Sequence[DueRequest], *, expiration: datetime
    ) -> bytes:
        """Calldata of a step for payments of one token.

        Args:
            step: ``settle`` only where it is the first step.
            requests: The payments.
            expiration: On-chain expiry of what is created; a settled payment has none.
        """
        ...

    def gas(self, step: PaymentStep, items: int) -> int:
        """Gas a call with so many payments uses at most; only the first cut rests on it."""
        ...

    def decode_revert(self, revert: bytes | None) -> Revert:
        """Why a call of it reverted, and whose fault that is."""
        ...


@dataclass(frozen=True, slots=True)
class PaymentTreasury:
    """A treasury with the surface of Oak's ``IPaymentTreasury``, ours or theirs."""

    name: str
    items_max: int
    first_step: FirstStep
    fixed_gas: int
    """Gas of a call beside its payments."""
    item_gas: Mapping[PaymentStep, int]
    """Gas of one payment, without line items and without a receipt."""

    def encode(
        self, step: PaymentStep, requests: Sequence[DueRequest], *, expiration: datetime
    ) -> bytes:
        """``createPaymentBatch``, ``confirmPaymentBatch`` or ``settleBatch``."""
        match step:
            case "create":
                return calldata.create_payments(requests, expiration)
            case "confirm":
                return calldata.confirm_payments([request.payment_id for request in requests])
            case "settle":
                return calldata.settle_payments(requests)

    def gas(self, step: PaymentStep, items: int) -> int:
        """The fixed part once, and each payment's."""
        return self.fixed_gas + self.item_gas[step] * items

    def decode_revert(self, revert: bytes | None) -> Revert:
        """By Oak's errors, which are ours too."""
        return decode_revert(revert)


OUR_ITEMS_MAX = 5_000
"""``MAX_BATCH_SIZE`` of our treasuries; gas and bytes bind first."""
OAK_ITEMS_MAX = 50
"""``MAX_BATCH_SIZE`` of Oak's ``BasePaymentTreasury``."""

# Measured on anvil at Prague rules, the first payments of a treasury; a later call's fixed part is
# 17,000 less. Oak's: its own figures, per payment and per transaction.
_ONE_SLOT: Mapping[PaymentStep, int] = {"settle": 29_500, "create": 32_500, "confirm": 4_700}
_MIRRORED: Mapping[PaymentStep, int] = {"settle": 75_000, "create": 80_000, "confirm": 4_700}
_OAKS: Mapping[PaymentStep, int] = {"create": 131_000, "confirm": 46_000}

_KINDS: tuple[TreasuryKind, ...] = (
    PaymentTreasury("payment-treasury", OUR_ITEMS_MAX, "settle", 100_000, _ONE_SLOT),
    PaymentTreasury(
        "time-constrained-payment-treasury", OUR_ITEMS_MAX, "settle", 130_000, _ONE_SLOT
    ),
    PaymentTreasury("mirror-payment-treasury", OUR_ITEMS_MAX, "settle", 100_000, _MIRRORED),
    PaymentTreasury("oak-payment-treasury", OAK_ITEMS_MAX, "create", 105_000, _OAKS),
)


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
