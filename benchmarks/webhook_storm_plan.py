"""What is to happen to each payment, what is told of it, and what Postgres must say of it then."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from random import Random
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, func, select

from offchain.claim_tables import disputes, refunds
from offchain.gateways.crowdsplit.token import NAME
from offchain.ledger.accounts import gateway_receivable, owed_to_campaign
from offchain.ledger.balances import trial_balance
from offchain.ledger.checking import check_ledger
from offchain.ledger.tables import ledger_journals, ledger_transfers
from offchain.payments.booking import CAPTURE
from offchain.tables import attempt_events, inbox, payment_attempts
from settlement.record_tables import actions
from settlement.tables import requests
from tests.support.offchain import TOKEN, TREASURY

CENTAVO = 10**16
"""Base units of the token."""
Fate = Literal["paid", "unpaid", "failed"]
Row = tuple[Any, ...]
Forgery = Literal["signature", "secret", "body"]
"""Signed wrongly, signed with a secret of one's own, or changed after it was signed."""
DUPLICATES, REORDERED, FORGED = 0.30, 0.10, 0.05
EVENTS: Mapping[Fate, Sequence[str]] = {
    "paid": ("awaiting_confirmation", "processing", "updated", "captured", "succeeded"),
    "unpaid": ("awaiting_confirmation", "processing", "updated", "updated", "updated"),
    "failed": ("awaiting_confirmation", "processing", "updated", "failed", "updated"),
}
EVENTS_EACH = 5
CLAIM = "captured"
"""What every forged webhook says."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment, and what becomes of it at the gateway."""

    attempt_id: UUID
    pledge_id: UUID
    campaign_id: UUID
    provider_payment_id: str
    minor: int
    fate: Fate
    is_onchain: bool

    @property
    def is_paid(self) -> bool:
        """Whether its money comes."""
        return self.fate == "paid"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook on its way."""

    payment: Payment
    event: str
    event_id: str
    forgery: Forgery | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is sent."""

    deliveries: Sequence[Delivery]
    duplicates: int
    reordered: int
    forged: int

    @property
    def events(self) -> int:
        """Genuine ones, each counted once."""
        return len(self.deliveries) - self.duplicates - self.forged


def payments_for(webhooks: int) -> int:
    """How many payments it takes to send so many."""
    return max(2, round(webhooks * (1 - DUPLICATES - FORGED) / EVENTS_EACH))


def plan_storm(payments: Sequence[Payment], webhooks: int, dice: Random) -> Plan:
    """Decide what is sent and in which order: its place in it is a number."""
    reordered = dice.sample(payments, min(len(payments), round(webhooks * REORDERED / 2)))
    genuine = _genuine(payments, {one.attempt_id for one in reordered}, dice)
    forged = round(webhooks * FORGED)
    placed = [(float(place), one) for place, one in enumerate(genuine)]
    duplicates = webhooks - forged - len(genuine)
    for number in range(duplicates):
        place, one = placed[dice.randrange(len(genuine))]
        # Half of them at once, half of them whenever it may be.
        later = 0.5 if number % 2 else dice.uniform(0.5, len(genuine) - place)
        placed.append((place + later, one))
    ways: cycle[Forgery] = cycle(("signature", "secret", "body"))
    for _ in range(forged):
        place = dice.uniform(0, len(genuine))
        placed.append((place, _forge(dice.choice(genuine), payments, next(ways), dice)))
    in_order = [one for _, one in sorted(placed, key=lambda item: item[0])]
    return Plan(in_order, duplicates, 2 * len(reordered), forged)


def _genuine(payments: Sequence[Payment], reordered: set[UUID], dice: Random) -> Sequence[Delivery]:
    """Every event once, those of all payments mixed; two neighbours of some payments are swapped.

    What is decided at the gateway is never told before: a swap brings it too early or too late.
    """
    left = {}
    for payment in payments:
        own = [Delivery(payment, event, _name(dice)) for event in EVENTS[payment.fate]]
        if payment.attempt_id in reordered:
            at = dice.choice([n for n in range(1, len(own)) if own[n].event != own[n - 1].event])
            own[at - 1], own[at] = own[at], own[at - 1]
        left[payment.attempt_id] = iter(own)
    turns = [payment.attempt_id for payment in payments for _ in range(EVENTS_EACH)]
    dice.shuffle(turns)
    return [next(left[attempt_id]) for attempt_id in turns]


def _forge(real: Delivery, payments: Sequence[Payment], forgery: Forgery, dice: Random) -> Delivery:
    """Claim that money came: under the name of a real event, or of none, for anybody's payment."""
    if forgery == "signature":
        return replace(real, event=CLAIM, forgery=forgery)
    unpaid = dice.choice([one for one in payments if not one.is_paid])
    name = real.event_id if forgery == "body" else _name(dice)
    return Delivery(unpaid, CLAIM, name, forgery)


def _name(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


@dataclass(slots=True)
class Verdict:
    """What is not as it must be, in words."""

    captured: int = 0
    requests: int = 0
    entries: int = 0
    is_balanced: bool = False
    missing: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether everything is as it must be."""
        return self.is_balanced and not (self.missing or self.double or self.changed)

    def compare(self, what: str, expected: Iterable[Row], actual: Counter[Row]) -> None:
        """Note the rows that lack, that came twice, and that nobody expected.

        A row begins with what it is of; two of the same are one too many.
        """
        wanted = Counter(expected)
        seen = Counter[Any]()
        for row, times in actual.items():
            seen[row[0]] += times
        subjects = {row[0] for row in wanted}
        self.double += [
            f"{what}: {name} {n} times" for name, n in seen.items() if n > 1 and name in subjects
        ]
        self.missing += [f"{what}: {row}" for row in wanted if row[0] not in seen]
        self.changed += [f"{what}: {row}" for row in actual if row not in wanted]


def judge(
    connection: Connection, payments: Sequence[Payment], acknowledged: Iterable[str]
) -> Verdict:
    """Compare every row with what the gateway was told to let happen."""
    verdict = Verdict()
    _judge_attempts(connection, verdict, payments)
    _judge_moves(connection, verdict, payments)
    _judge_ledger(connection, verdict, payments)
    _judge_requests(connection, verdict, payments)
    query = select(inbox.c.event_key, inbox.c.state)
    rows: Counter[Row] = Counter(((row.event_key,), row.state) for row in connection.execute(query))
    verdict.compare("webhook", (((key,), "done") for key in acknowledged), rows)
    for table in (refunds, disputes, actions):
        if count(connection, table):
            verdict.changed.append(f"{table.name}: {count(connection, table)} rows")
    return verdict


def count(connection: Connection, table: Any) -> int:  # noqa: ANN401 - any table, any condition
    """How many rows there are."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _judge_attempts(connection: Connection, verdict: Verdict, payments: Sequence[Payment]) -> None:
    columns = payment_attempts.c
    query = select(
        columns.id,
        columns.provider_payment_id,
        columns.fiat_status,
        columns.chain_status,
        columns.claim_status,
        columns.booked_to,
        columns.received_minor,
        columns.review_reason,
        columns.settlement_id,
    )
    rows: Counter[Row] = Counter(tuple(row) for row in connection.execute(query))
    ends = {"paid": "captured", "unpaid": "awaiting", "failed": "failed"}
    verdict.captured = sum(row[2] == "captured" for row in rows)
    late = {row[0] for row in rows if row[2] != "captured"}
    verdict.missing += [
        f"capture of {one.attempt_id}" for one in payments if one.is_paid and one.attempt_id in late
    ]
    expected = (
        (
            *(one.attempt_id, one.provider_payment_id, ends[one.fate]),
            *("queued" if one.is_paid and one.is_onchain else "none", "none"),
            *(("campaign", one.minor) if one.is_paid else (None, None)),
            *(None, None),
        )
        for one in payments
    )
    verdict.compare("payment", expected, rows)


def _judge_moves(connection: Connection, verdict: Verdict, payments: Sequence[Payment]) -> None:
    """Every move is made once; only a payment whose answer was lost has to begin to wait."""
    columns = attempt_events.c
    query = select(columns.attempt_id, columns.lattice, columns.to_status)
    rows: Counter[Row] = Counter((tuple(row),) for row in connection.execute(query))
    expected = []
    for one in payments:
        if one.fate != "unpaid":
            end = "captured" if one.is_paid else "failed"
            expected.append(((one.attempt_id, "fiat", end),))
        if one.is_paid and one.is_onchain:
            expected.append(((one.attempt_id, "chain", "queued"),))
    waits = [((one.attempt_id, "fiat", "awaiting"),) for one in payments]
    verdict.compare("move", [*expected, *(move for move in waits if move in rows)], rows)


def _judge_ledger(connection: Connection, verdict: Verdict, payments: Sequence[Payment]) -> None:
    columns = ledger_transfers.c
    query = select(
        columns.source,
        columns.source_id,
        columns.kind,
        columns.amount,
        columns.debit_account,
        columns.credit_account,
    )
    rows: Counter[Row] = Counter((tuple(row[:3]), *row[3:]) for row in connection.execute(query))
    receivable = gateway_receivable(NAME).name
    expected = [
        (
            (CAPTURE, str(one.attempt_id), kind),
            *(one.minor, receivable, owed_to_campaign(one.campaign_id).name),
        )
        for one in payments
        if one.is_paid
        for kind in (("pending",) if one.is_onchain else ("pending", "post"))
    ]
    verdict.compare("ledger", expected, rows)
    verdict.entries = sum(n for row, n in rows.items() if row[0][::2] == (CAPTURE, "pending"))
    if count(connection, ledger_journals) != len(expected):
        verdict.changed.append(f"journals: {count(connection, ledger_journals)}")
    is_sound = all(finding.ok for finding in check_ledger(connection))
    verdict.is_balanced = is_sound and all(one.is_balanced for one in trial_balance(connection))


def _judge_requests(connection: Connection, verdict: Verdict, payments: Sequence[Payment]) -> None:
    columns = requests.c
    query = select(
        columns.pledge_id,
        columns.request_id,
        columns.generation,
        columns.state,
        columns.treasury,
        columns.token,
        columns.amount_base_units,
    )
    rows: Counter[Row] = Counter(tuple(row) for row in connection.execute(query))
    expected = (
        (one.pledge_id, one.attempt_id, 0, "ready", TREASURY, TOKEN, one.minor * CENTAVO)
        for one in payments
        if one.is_paid and one.is_onchain
    )
    verdict.compare("request", expected, rows)
    verdict.requests = sum(rows.values())
