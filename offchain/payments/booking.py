"""What the ledger says of an attempt's money, of what is given back of it, and of disputes.

| what happened | debit | credit |
|---|---|---|
| accepted for its pledge | receivable, or suspense when it was held | campaign: pending |
| held, or a second payment | receivable | suspense, or refunds payable |
| paid too much, and accepted | suspense | refunds payable |
| given back | where the money is booked | receivable: pending, posted, voided |
| given back in part, with the whole on its way to the chain | due from the creator | receivable |
| given back, more than an accepted pledge asked for | campaign, refunds payable | receivable |
| disputed | chargeback losses, or where the money is held | receivable: pending |
| lost, and never settled on-chain | campaign | chargeback losses |
| undone after it was posted | the other way round | |

Every entry is named after its payment, refund or dispute, so booking the same step twice books it
once. No entry is ever edited.
"""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from indexer.errors import InvariantError
from offchain.ledger.accounts import (
    CHARGEBACK_LOSSES,
    REFUNDS_PAYABLE,
    SUSPENSE,
    Account,
    due_from_creator,
    gateway_receivable,
    owed_to_campaign,
)
from offchain.ledger.transfers import (
    Entry,
    Journal,
    Transfer,
    TransferId,
    post,
    post_journal,
    post_pending,
    resolution,
    single,
    transfer_id,
    void,
    waiting_of,
)
from offchain.money import MinorUnits, Money
from offchain.payments.attempts import Attempt, BookedTo
from offchain.payments.claim_rows import (
    DisputeBooking,
    DisputeStep,
    Refund,
    RefundBooking,
    RefundStep,
    read_refunds,
)
from offchain.payments.handover import Destination

CAPTURE: Final = "capture"
UNACCEPTED: Final = "unaccepted"
EXCESS: Final = "excess"
DISPLACED: Final = "displaced"
REFUND: Final = "refund"
REFUND_UNDONE: Final = "refund_undone"
DISPUTE: Final = "dispute"
DISPUTE_UNDONE: Final = "dispute_undone"
BORNE: Final = "dispute_borne"
BORNE_UNDONE: Final = "dispute_borne_undone"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where an attempt's money stands when a claim on it is booked."""

    attempt: Attempt
    destination: Destination
    is_sealed: bool
    """Its settlement is on its way to the chain or there, past calling back."""
    is_here: bool
    """Some of its money was not given back yet."""

    @property
    def receivable(self) -> Account:
        """What the gateway holds for us."""
        return gateway_receivable(self.attempt.gateway)

    @property
    def owed(self) -> Account:
        """What belongs to the campaign."""
        return owed_to_campaign(self.destination.campaign_id)


def capture_name(attempt: Attempt) -> TransferId:
    """The ledger's name of an attempt's first capture."""
    return transfer_id(CAPTURE, str(attempt.id), "pending")


def book_capture(
    connection: Connection, attempt: Attempt, destination: Destination, *, was_held: bool = False
) -> None:
    """Book an accepted payment: pending until it is final on-chain, at once for fiat only."""
    entry = Entry(
        CAPTURE,
        str(attempt.id),
        debit=SUSPENSE if was_held else gateway_receivable(attempt.gateway),
        credit=owed_to_campaign(destination.campaign_id),
        amount=attempt.amount,
    )
    pending = post_pending(connection, entry)
    if destination.chain_id is None:
        post(connection, pending)


def book_unaccepted(connection: Connection, attempt: Attempt, received: Money) -> None:
    """Book money that is not accepted, so that what the gateway holds is always in the ledger."""
    entry = Entry(
        UNACCEPTED,
        str(attempt.id),
        debit=gateway_receivable(attempt.gateway),
        credit=_held_account(attempt.booked_to),
        amount=received,
    )
    single(connection, entry)


def book_excess(connection: Connection, attempt: Attempt, excess: Money) -> None:
    """Book what an accepted payment brought too much as owed back."""
    entry = Entry(EXCESS, str(attempt.id), SUSPENSE, REFUNDS_PAYABLE, excess)
    single(connection, entry)


def book_displaced(
    connection: Connection, attempt: Attempt, destination: Destination, *, here: MinorUnits
) -> None:
    """Book what came back of a payment after its pledge was paid anew as owed back.

    Args:
        connection: The caller's transaction.
        attempt: The payment.
        destination: Where it belonged.
        here: What is here of it, in its minor units.
    """
    owed = owed_to_campaign(destination.campaign_id)
    name = f"{attempt.id}:{attempt.version}"
    amount = Money(here, attempt.amount.currency)
    single(connection, Entry(DISPLACED, name, owed, REFUNDS_PAYABLE, amount))


def post_capture(connection: Connection, attempt: Attempt) -> None:
    """Make the capture that stands count; again changes nothing.

    Raises:
        InvariantError: The attempt has none.
    """
    if attempt.capture_id is None:
        raise InvariantError(f"attempt {attempt.id} has no capture in the ledger")
    capture = TransferId(attempt.capture_id)
    if resolution(connection, capture) is None:
        post(connection, capture)


def book_refund(connection: Connection, setting: Setting, step: RefundStep) -> RefundBooking | None:
    """Bring the ledger to where a refund is; returns where it is booked."""
    refund = step.now
    if refund.booked_to is None and not refund.is_live:
        return None
    home = refund.booked_to or _home_of_refund(setting, refund)
    name = str(refund.id)
    pending = transfer_id(REFUND, name, "pending")
    if refund.booked_to is None:
        parts = _parts(connection, setting, refund, home)
        post_journal(connection, Journal(REFUND, name, pending=parts))
    if refund.state == "succeeded":
        post(connection, pending)
    elif refund.state == "failed" and step.before == "succeeded":
        given = waiting_of(connection, pending)
        back = tuple(replace(part, debit=part.credit, credit=part.debit) for part in given)
        post_journal(connection, Journal(REFUND_UNDONE, name, at_once=back))
    elif refund.state == "failed":
        void(connection, pending)
    return home


def _parts(
    connection: Connection, setting: Setting, refund: Refund, home: RefundBooking
) -> tuple[Transfer, ...]:
    """What a refund moves; campaign and creator bear no more than the pledge asked for."""
    given, currency = int(refund.amount.minor), refund.amount.currency
    borne = given
    if home in {"campaign", "creator"}:
        before = sum(
            one.amount.minor
            for one in read_refunds(connection, setting.attempt.id)
            if one.booked_to in {"campaign", "creator"} and one.state in {"pending", "succeeded"}
        )
        borne = min(given, max(setting.attempt.amount.minor - before, 0))
    sides = ((_account(setting, home), borne), (REFUNDS_PAYABLE, given - borne))
    return tuple(
        Transfer(debit, setting.receivable, units, currency) for debit, units in sides if units
    )


def book_dispute(
    connection: Connection, setting: Setting, step: DisputeStep
) -> DisputeBooking | None:
    """Bring the ledger to where a dispute is; returns who bears it."""
    dispute = step.now
    if dispute.booked_to is None and dispute.state == "won":
        return None
    home = dispute.booked_to or _home_of_dispute(setting)
    account = CHARGEBACK_LOSSES if home == "campaign" else _account(setting, home)
    name = str(dispute.id)
    if dispute.booked_to is None:
        entry = Entry(DISPUTE, name, account, setting.receivable, dispute.amount)
        post_pending(connection, entry)
    pending = transfer_id(DISPUTE, name, "pending")
    if dispute.state == "lost":
        post(connection, pending)
        return _bear(connection, setting, step) if home == "loss" else home
    if dispute.state == "won" and step.before == "lost":
        back = Entry(DISPUTE_UNDONE, name, setting.receivable, account, dispute.amount)
        single(connection, back)
        if home == "campaign":
            amount = _borne(setting, step)
            single(connection, Entry(BORNE_UNDONE, name, CHARGEBACK_LOSSES, setting.owed, amount))
    elif dispute.state == "won":
        void(connection, pending)
    return home


def _bear(connection: Connection, setting: Setting, step: DisputeStep) -> DisputeBooking:
    """A campaign that settles on-chain is not owed what was lost before it was settled."""
    is_unsettled = setting.destination.chain_id is not None and not setting.is_sealed
    if setting.attempt.booked_to != "campaign" or not is_unsettled or not setting.is_here:
        return "loss"
    amount = _borne(setting, step)
    entry = Entry(BORNE, str(step.now.id), setting.owed, CHARGEBACK_LOSSES, amount)
    single(connection, entry)
    return "campaign"


def _borne(setting: Setting, step: DisputeStep) -> Money:
    amount = setting.attempt.amount
    return Money(MinorUnits(min(step.now.amount.minor, amount.minor)), amount.currency)


def _home_of_refund(setting: Setting, refund: Refund) -> RefundBooking:
    booked_to = setting.attempt.booked_to
    if not refund.is_claim:
        return "payable"
    if booked_to == "campaign":
        is_part = refund.amount.minor < setting.attempt.amount.minor
        return "creator" if setting.is_sealed and is_part else "campaign"
    if booked_to is None:
        raise InvariantError(f"refund {refund.id} is of money that is not in the ledger")
    return booked_to


def _home_of_dispute(setting: Setting) -> DisputeBooking:
    booked_to = setting.attempt.booked_to
    if booked_to in {None, "campaign"} or not setting.is_here:
        return "loss"
    return "suspense" if booked_to == "suspense" else "payable"


def _account(setting: Setting, home: RefundBooking | DisputeBooking) -> Account:
    match home:
        case "campaign":
            return setting.owed
        case "creator":
            return due_from_creator(setting.destination.campaign_id)
        case "loss":
            return CHARGEBACK_LOSSES
        case "suspense":
            return SUSPENSE
        case "payable":
            return REFUNDS_PAYABLE


def _held_account(booked_to: BookedTo | None) -> Account:
    return REFUNDS_PAYABLE if booked_to == "payable" else SUSPENSE
