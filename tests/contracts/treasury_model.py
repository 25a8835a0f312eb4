"""What a treasury should do, in plain Python: payments one by one, and no shared bookkeeping.

Written from the interfaces, not from the contracts. Amounts are token base units, times seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from eth_utils import keccak

BPS = 10_000
COMMON_DECIMALS = 18
KEPT_FROM_BUYERS = ("claimable", "instant", "fee")


class Outcome(IntEnum):
    NOT_GATED = 0
    OPEN = 1
    RELEASED = 2
    MISSED = 3


class RefusedError(Exception):
    """The call must revert with this error and these arguments."""

    def __init__(self, signature: str, *values: object) -> None:
        super().__init__(signature, *values)
        self.signature = signature
        self.values = values


def payment_id(number: int) -> bytes:
    return keccak(text=f"payment {number}")


def treasury_error(name: str, number: int | None = None, *values: object) -> RefusedError:
    """An error of Oak's treasuries that names a payment, or nothing."""
    if number is None:
        return RefusedError(f"PaymentTreasury{name}()")
    types = ",".join(["bytes32", *["uint8"] * len(values)])
    return RefusedError(f"PaymentTreasury{name}({types})", payment_id(number), *values)


@dataclass
class Paid:
    """One payment. Items are net of fees; ``expiration`` is None once confirmed by settlement."""

    token: int
    amount: int
    items: dict[str, int]
    expiration: int | None
    buyer: str | None = None
    confirmed: bool = False
    receipt: int | None = None

    @property
    def raised(self) -> int:
        return self.amount + self.items.get("goal", 0)


@dataclass
class Pot:
    """One token. ``entered`` and ``left`` are all that ever moved."""

    decimals: int
    entered: int = 0
    left: dict[str, int] = field(default_factory=dict)
    lifetime: int = 0
    refunded: int = 0
    swept: int = 0
    withdrawn: int = 0
    protocol_fee: int = 0
    platform_fee: int = 0
    claimable: int = 0
    refundable: int = 0

    @property
    def balance(self) -> int:
        return self.entered - sum(self.left.values())

    @property
    def available(self) -> int:
        return self.lifetime - self.refunded - self.swept - self.withdrawn

    @property
    def committed(self) -> int:
        fees = self.protocol_fee + self.platform_fee
        return self.available + fees + self.claimable + self.refundable

    def send(self, to: str, amount: int) -> None:
        if amount:
            self.left[to] = self.left.get(to, 0) + amount

    def common(self, amount: int) -> int:
        return amount * 10 ** (COMMON_DECIMALS - self.decimals)


@dataclass
class Model:
    """A treasury, its campaign, and everybody's tokens. A refused call leaves it half changed."""

    decimals: tuple[int, ...]
    protocol_bps: int
    platform_bps: int
    deadline: int
    decides_at: int
    gated: bool
    goal: int
    now: int = 0
    cancelled: bool = False
    campaign_cancelled: bool = False
    missed: bool = False
    released: bool = False
    receipts: int = 0
    payments: dict[int, Paid] = field(default_factory=dict)
    pots: list[Pot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pots = [Pot(decimals) for decimals in self.decimals]

    # What the views say.

    def expected(self, token: int) -> list[Paid]:
        found = (paid for paid in self.payments.values() if paid.token == token)
        return [paid for paid in found if not paid.confirmed]

    def pending(self, token: int) -> int:
        return sum(paid.raised for paid in self.expected(token))

    def pending_items(self, token: int) -> int:
        """What confirming needs beside what counts as raised."""
        kinds = ("refundable", "claimable", "instant", "fee")
        return sum(paid.items.get(kind, 0) for paid in self.expected(token) for kind in kinds)

    def raised(self) -> int:
        return sum(pot.common(pot.lifetime - pot.refunded - pot.swept) for pot in self.pots)

    def figures(self) -> dict[str, int]:
        pots = self.pots
        pending = (pot.common(self.pending(token)) for token, pot in enumerate(pots))
        return {
            "Raised": self.raised(),
            "AvailableRaised": sum(pot.common(pot.available) for pot in pots),
            "LifetimeRaised": sum(pot.common(pot.lifetime) for pot in pots),
            "Refunded": sum(pot.common(pot.refunded) for pot in pots),
            "Expected": sum(pending),
        }

    def outcome(self) -> Outcome:
        if not self.gated:
            return Outcome.NOT_GATED
        if self.released:
            return Outcome.RELEASED
        late = self.now >= self.decides_at and self.raised() < self.goal
        return Outcome.MISSED if self.missed or late else Outcome.OPEN

    @property
    def goal_refunds_open(self) -> bool:
        if not self.gated or self.released:
            return False
        return self.missed or self.cancelled or self.campaign_cancelled

    def is_open(self) -> bool:
        return not (self.cancelled or self.campaign_cancelled)

    # What the calls do.

    def create(self, drafts: list[tuple[int, Paid]]) -> None:
        self._require_open()
        for number, paid in drafts:
            if paid.expiration <= self.now:
                raise treasury_error("ExpirationNotInFuture")
            self._require_unused(number)
            if self.gated and any(paid.items.get(kind, 0) for kind in KEPT_FROM_BUYERS):
                raise RefusedError("GoalItemsNotRefundable(bytes32)", payment_id(number))
            self.payments[number] = paid

    def settle(self, token: int, settled: list[tuple[int, int, str | None]]) -> None:
        self._require_open()
        self._decide()
        for number, amount, buyer in settled:
            self._require_unused(number)
            self.payments[number] = Paid(token, amount, {}, None, buyer, confirmed=True)
        self._commit(token, sum(amount for _, amount, _ in settled), 0)

    def confirm(self, batch: list[tuple[int, str | None]]) -> None:
        """All or nothing; a run of payments in one token is checked at its end."""
        self._require_open()
        self._decide()
        token, amount, instant = None, 0, 0
        for number, buyer in batch:
            paid = self._confirmable(number)
            if token is not None and paid.token != token:
                self._commit(token, amount, instant)
                amount, instant = 0, 0
            token, paid.confirmed, paid.buyer = paid.token, True, buyer
            amount += paid.amount
            instant += paid.items.get("instant", 0)
            self._keep_items(paid)
        if token is not None:
            self._commit(token, amount, instant)
        for number, buyer in batch:
            if buyer is not None:
                self._mint(number)

    def cancel(self, number: int) -> None:
        self._require_open()
        if self._find(number).confirmed:
            raise treasury_error("PaymentAlreadyConfirmed", number)
        del self.payments[number]

    def refund(self, number: int, to: str) -> None:
        paid = self._find(number)
        if not paid.confirmed:
            raise treasury_error("PaymentNotConfirmed", number)
        if paid.buyer is not None:
            raise treasury_error("CryptoPayment", number)
        self._require_platform_may_refund(number)
        self._release(number, to, short=1)

    def refund_buyer(self, number: int) -> None:
        self._find(number)
        self._require_platform_may_refund(number)
        self._require_buyer(number)
        self._release(number, self.payments[number].buyer, short=1)

    def refund_receipt(self, number: int, treasury: str, *, approved: bool) -> None:
        paid = self._find(number)
        if paid.receipt is None:
            code = 2 if paid.buyer is None else 3
            raise treasury_error("PaymentNotClaimable", number, code)
        self._decide()
        self._release(number, paid.buyer, short=4)
        if not approved:
            error = "ERC721InsufficientApproval(address,uint256)"
            raise RefusedError(error, treasury, paid.receipt)

    def refund_missed_goal(self, numbers: list[int]) -> None:
        self._decide()
        if not self.goal_refunds_open:
            raise RefusedError("GoalRefundsClosed(uint8)", int(self.outcome()))
        for number in numbers:
            paid = self.payments.get(number)
            if paid is None:  # somebody else was faster
                continue
            if not paid.confirmed:
                raise treasury_error("PaymentNotConfirmed", number)
            self._release(number, paid.buyer or "escrow", short=1)

    def mint_receipt(self, number: int) -> None:
        self._find(number)
        self._require_buyer(number)
        self._mint(number)

    def withdraw(self) -> None:
        self._require_open()
        if self.gated and not self.released:
            if self.now < self.decides_at:
                raise RefusedError("GoalNotDecided(uint256)", self.decides_at)
            if self.outcome() is Outcome.MISSED or self.raised() < self.goal:
                self._refuse_below_goal()
            self.released = True
        if not any(pot.available for pot in self.pots):
            raise treasury_error("AlreadyWithdrawn")
        for pot in self.pots:
            available = pot.available
            protocol_fee = available * self.protocol_bps // BPS
            platform_fee = available * self.platform_bps // BPS
            pot.withdrawn += available
            pot.protocol_fee += protocol_fee
            pot.platform_fee += platform_fee
            pot.send("creator", available - protocol_fee - platform_fee)

    def disburse(self) -> None:
        for pot in self.pots:
            pot.send("protocol_admin", pot.protocol_fee)
            pot.send("platform_admin", pot.platform_fee)
            pot.protocol_fee = pot.platform_fee = 0

    def claim_items(self, token: int) -> None:
        pot = self.pots[token]
        if not pot.claimable:
            raise RefusedError("PaymentTreasuryInvalidInput(uint8)", 7)
        pot.send("platform_admin", pot.claimable)
        pot.claimable = 0

    def claim_expired(self) -> None:
        if self.now < self.deadline:
            error = "PaymentTreasuryClaimWindowNotReached(uint256)"
            raise RefusedError(error, self.deadline)
        if self.gated and not self.released:
            self._refuse_below_goal()
        if not any(pot.committed for pot in self.pots):
            raise treasury_error("NoFundsToClaim")
        for pot in self.pots:
            pot.send("protocol_admin", pot.protocol_fee)
            pot.send("platform_admin", pot.committed - pot.protocol_fee)
            pot.swept += pot.available
            pot.protocol_fee = pot.platform_fee = pot.claimable = pot.refundable = 0

    def sweep_surplus(self, token: int) -> None:
        pot = self.pots[token]
        surplus = pot.balance - pot.committed
        if self.is_open():
            surplus -= self.pending(token) + self.pending_items(token)
        if surplus <= 0:
            raise treasury_error("NoFundsToClaim")
        pot.send("platform_admin", surplus)

    def cancel_treasury(self) -> None:
        if self.cancelled:
            raise RefusedError("CannotCancel()")
        self.cancelled = True

    def cancel_campaign(self) -> None:
        if self.campaign_cancelled:
            raise RefusedError("CannotCancel()")
        self.campaign_cancelled = True

    # What they have in common.

    def _require_open(self) -> None:
        if self.cancelled:
            raise RefusedError("CancelledError()")
        if self.campaign_cancelled:
            raise treasury_error("CampaignInfoIsPaused")

    def _require_unused(self, number: int) -> None:
        if number in self.payments:
            key = keccak(payment_id(number) + bytes(20))
            raise RefusedError("PaymentTreasuryPaymentAlreadyExist(bytes32)", key)

    def _require_platform_may_refund(self, number: int) -> None:
        self._decide()
        ended = self.now >= self.deadline or self.goal_refunds_open
        if self.gated and not self.released and ended:
            raise RefusedError("PlatformRefundsClosed(bytes32)", payment_id(number))

    def _require_buyer(self, number: int) -> None:
        paid = self.payments[number]
        if paid.buyer is None or paid.receipt is not None:
            raise RefusedError("BuyerNotNamed(bytes32)", payment_id(number))

    def _find(self, number: int) -> Paid:
        if number not in self.payments:
            raise treasury_error("PaymentNotExist", number)
        return self.payments[number]

    def _confirmable(self, number: int) -> Paid:
        paid = self._find(number)
        if paid.confirmed:
            raise treasury_error("PaymentAlreadyConfirmed", number)
        if paid.expiration <= self.now:
            raise treasury_error("PaymentAlreadyExpired", number)
        return paid

    def _keep_items(self, paid: Paid) -> None:
        pot = self.pots[paid.token]
        pot.lifetime += paid.items.get("goal", 0)
        pot.protocol_fee += paid.items.get("fee", 0)
        pot.claimable += paid.items.get("claimable", 0)
        pot.refundable += paid.items.get("refundable", 0)

    def _commit(self, token: int, amount: int, instant: int) -> None:
        pot = self.pots[token]
        pot.lifetime += amount
        required = pot.committed + instant
        if required > pot.balance:
            error = "PaymentTreasuryInsufficientBalance(uint256,uint256)"
            raise RefusedError(error, required, pot.balance)
        pot.send("platform_admin", instant)

    def _mint(self, number: int) -> None:
        self.receipts += 1
        self.payments[number].receipt = self.receipts

    def _release(self, number: int, to: str, *, short: int) -> None:
        paid = self.payments[number]
        pot = self.pots[paid.token]
        refundable = paid.items.get("refundable", 0)
        for lacking, code in (
            (pot.available < paid.amount, short),
            (pot.available < paid.raised, 4),
            (pot.refundable < refundable, 5),
        ):
            if lacking:
                raise treasury_error("PaymentNotClaimable", number, code)
        pot.refunded += paid.raised
        pot.refundable -= refundable
        pot.send(to, paid.raised + refundable)
        del self.payments[number]

    def _decide(self) -> None:
        self.missed = self.missed or self.outcome() is Outcome.MISSED

    def _refuse_below_goal(self) -> None:
        raise RefusedError("GoalNotReached(uint256,uint256)", self.raised(), self.goal)
