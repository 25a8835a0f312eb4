"""What the fake remembers of transactions, and the rules by which they change."""

import json
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from stack.fakes.clock import Clock
from stack.fakes.delivery import Endpoint
from stack.fakes.paystack.shares import shares_of
from stack.fakes.paystack.transactions import Transaction
from stack.fakes.paystack.words import (
    CURRENCIES,
    Json,
    Refused,
    amount_of,
    currency_of,
    in_window,
    invalid,
    not_found,
)

BALANCE = 10**12
"""What every currency starts with, in minor units, so that transfers have something to move."""
CHANNELS = frozenset(
    {"card", "bank", "apple_pay", "ussd", "qr", "mobile_money", "bank_transfer", "eft"}
)
SETTLED_AFTER = timedelta(days=1)
_REFERENCE = re.compile(r"[A-Za-z0-9.=-]{1,100}")
_PAYABLE = frozenset({"abandoned", "ongoing", "pending", "processing", "queued", "failed"})

Listener = Callable[[str, Json], None]


class Books:
    """The gateway's memory. Every public method is one atomic step."""

    def __init__(self, *, secret_key: str, seed: str | None = None) -> None:
        self.clock = Clock()
        self.lock = threading.RLock()
        self.secret_key = secret_key
        self.endpoint: Endpoint | None = None
        self.listener: Listener = lambda _event, _data: None
        self.balances = dict.fromkeys(CURRENCIES, BALANCE)
        self.subaccounts: dict[str, Json] = {}
        self.splits: dict[str, Json] = {}
        self.transactions: dict[str, Transaction] = {}
        """By reference, oldest first."""
        self._seed = uuid.uuid5(uuid.NAMESPACE_URL, seed) if seed else uuid.uuid4()
        self._made = 0

    def now(self) -> datetime:
        """The fake's clock."""
        return self.clock.now()

    def new_number(self) -> int:
        """The next numeric id."""
        with self.lock:
            self._made += 1
            return 1_000_000 + self._made

    def new_code(self, prefix: str = "") -> str:
        """The next alphanumeric code; the same series for the same seed."""
        return prefix + uuid.uuid5(self._seed, str(self.new_number())).hex[:15]

    def register(self, url: str | None) -> None:
        """Decide where webhooks go; there is one address, and the secret key signs."""
        with self.lock:
            self.endpoint = None if url is None else Endpoint("webhook", url, self.secret_key)

    def initialize(self, fields: Mapping[str, Any]) -> Transaction:
        """Make a transaction that waits on its page; a reference is taken once and for ever."""
        with self.lock:
            reference = fields.get("reference") or self.new_code()
            if not isinstance(reference, str) or _REFERENCE.fullmatch(reference) is None:
                raise invalid("Invalid character in transaction reference", "invalid_reference")
            email = fields.get("email")
            if not isinstance(email, str) or "@" not in email:
                raise invalid("Invalid Email Address Passed", "invalid_email_address")
            amount, currency = amount_of(fields), currency_of(fields)
            split = _object(fields.get("split"))
            shares = shares_of(
                fields, split, amount, subaccounts=self.subaccounts, splits=self.splits
            )
            if reference in self.transactions:
                raise Refused(
                    "Duplicate Transaction Reference",
                    "duplicate_reference",
                    next_step="Ensure that you're passing a unique reference",
                )
            made = Transaction(
                id=self.new_number(),
                reference=reference,
                access_code=self.new_code(),
                asked=amount,
                currency=currency,
                email=email,
                metadata=fields.get("metadata") or "",
                channels=_channels(fields.get("channels")),
                callback_url=fields.get("callback_url"),
                split=split,
                created_at=self.now(),
                shares=shares,
            )
            self.transactions[reference] = made
            return made

    def transaction(self, reference: str) -> Transaction:
        """Look one up by its reference, as verify does."""
        found = self.transactions.get(reference)
        if found is None:
            raise not_found("Transaction reference", status=HTTPStatus.BAD_REQUEST)
        return found

    def by_number(self, number: str) -> Transaction:
        """Look one up by its numeric id, as fetch does."""
        if not number.isdecimal():
            raise invalid("Transaction ID should be numeric.", "invalid_transaction_id")
        with self.lock:
            rows = list(self.transactions.values())
        found = next((row for row in rows if row.id == int(number)), None)
        if found is None:
            raise not_found("Transaction")
        return found

    def named(self, name: object) -> Transaction:
        """Look one up by either."""
        text = str(name)
        if text in self.transactions:
            return self.transactions[text]
        return self.by_number(text) if text.isdecimal() else self.transaction(text)

    def by_access_code(self, code: str) -> Transaction:
        """Look one up by the code in its page's address."""
        with self.lock:
            rows = list(self.transactions.values())
        found = next((row for row in rows if row.access_code == code), None)
        if found is None:
            raise not_found("Transaction")
        return found

    def listed(self, query: Mapping[str, str]) -> list[Transaction]:
        """All that match the documented filters, newest first."""
        with self.lock:
            rows = list(self.transactions.values())
        wanted = query.get("status")
        return [
            row
            for row in in_window(rows, query, lambda row: row.created_at)
            if wanted in {None, row.status}
        ]

    def open_page(self, code: str) -> Transaction:
        """Somebody looks at the page."""
        with self.lock:
            found = self.by_access_code(code)
            if found.status == "abandoned":
                found.status = "ongoing"
            return found

    def pay(
        self, reference: str, amount: int | None = None, at: datetime | None = None
    ) -> Transaction:
        """Take the money, of another amount where one is given; twice pays once."""
        with self.lock:
            found = self.transaction(reference)
            if found.status not in _PAYABLE:
                return found
            found.status, found.gateway_response = "success", "Successful"
            found.paid = found.asked if amount is None else amount
            found.paid_at = at or self.now()
            kept = found.paid - (found.fees or 0) - sum(found.shares.values())
            self.balances[found.currency] += kept
            self.listener("charge.success", found.document())
            return found

    def move(self, reference: str, status: str) -> Transaction:
        """Put an unpaid transaction into another state; Paystack sends no event of it."""
        with self.lock:
            found = self.transaction(reference)
            if found.status not in _PAYABLE:
                raise invalid(f"Transaction is {found.status}", "invalid_status")
            found.status = status
            found.gateway_response = "Declined" if status == "failed" else status
            return found

    def settlements(self) -> list[Json]:
        """One payout a day and currency, on the day after its transactions were paid."""
        days: dict[tuple[str, str], list[Transaction]] = {}
        for row in self.listed({}):
            if row.paid_at is not None and row.paid_at + SETTLED_AFTER <= self.now():
                days.setdefault((row.paid_at.date().isoformat(), row.currency), []).append(row)
        return [
            {
                "id": int(day.replace("-", "")) * 10 + CURRENCIES.index(currency),
                "domain": "test",
                "status": "success",
                "currency": currency,
                "total_amount": sum((row.paid or 0) - (row.fees or 0) for row in rows),
                "total_fees": sum(row.fees or 0 for row in rows),
                "total_processed": sum(row.paid or 0 for row in rows),
                "settlement_date": f"{day}T00:00:00.000Z",
                "transactions": [row.document() for row in rows],
            }
            for (day, currency), rows in sorted(days.items(), reverse=True)
        ]


def _channels(value: object) -> list[str]:
    channels = value if isinstance(value, list) else []
    if any(channel not in CHANNELS for channel in channels):
        raise invalid("Unknown channel", "invalid_channel")
    return [str(channel) for channel in channels]


def _object(value: object) -> Json:
    """A nested object, which a form sends as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    return dict(value) if isinstance(value, Mapping) else {}
