"""The Stripe adapter (cards by PaymentIntent, receivers by Connect)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
from typing_extensions import override

from offchain.gateways.calling import Caller
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.stripe import webhooks
from offchain.gateways.stripe.api import Api, KeyTaken
from offchain.gateways.stripe.wire import (
    CURRENCIES_TAKEN,
    METADATA_ACCOUNT,
    METADATA_REFUND,
    METADATA_TRANSFER,
    NAME,
    account_state,
    asks_for_more,
    attempt_of,
    is_id,
    payment_fields,
    read_dispute,
    read_intent,
    read_refund,
    read_transfer,
    unfit,
)
from offchain.gateways.types import (
    AccountSeen,
    Method,
    NewAccount,
    NewPayment,
    NewRefund,
    NewTransfer,
    Observation,
    PayoutGateway,
    RefundSeen,
    SignatureRefusal,
    TransferSeen,
    WebhookEvent,
)
from offchain.money import Currency

T = TypeVar("T")

CLOCK_SKEW = timedelta(minutes=5)
FIND_PAGES_MAX = 1000
CREATED_WITHIN = timedelta(minutes=15)
"""So soon after it was named almost every payment is created."""
CHANGED_PAGES_MAX = 200
CLAIM_PAGES_MAX = 5
"""Refunds or disputes of one payment, in hundreds."""
RETURN_URL = "https://connect.stripe.com"


class Stripe(PayoutGateway):
    """One platform account. Safe to share between threads."""

    def __init__(
        self, caller: Caller, *, webhook_secrets: Sequence[str] = (), return_url: str = RETURN_URL
    ) -> None:
        """Make an adapter.

        Args:
            caller: Calls with the secret key and ``wire.HEADERS``.
            webhook_secrets: Every active signing secret.
            return_url: Where receivers are sent after their onboarding, or when its link expired.
        """
        self._api = Api(caller)
        self._webhook_secrets = tuple(webhook_secrets)
        self._return_url = return_url

    @property
    @override
    def name(self) -> str:
        return NAME

    @property
    @override
    def methods(self) -> frozenset[Method]:
        return frozenset({"card"})

    @property
    @override
    def currencies(self) -> frozenset[Currency]:
        return CURRENCIES_TAKEN

    @property
    @override
    def signature_headers(self) -> tuple[str, ...]:
        return (webhooks.SIGNATURE_HEADER,)

    @override
    def create_payment(self, new: NewPayment) -> Observation:
        fault = unfit(new)
        if fault is not None:
            raise GatewayRefused(NAME, httpx.codes.BAD_REQUEST, fault)
        key = f"pay:{new.attempt_id}:create"
        try:
            intent = self._api.write("/payment_intents", payment_fields(new), key=key)
        except KeyTaken:
            found = self.find_payment(new.attempt_id, since=new.created_at)
            if found is None:
                # A twin is at work right now, or ended in a stored 500: it may yet be listed.
                raise
            return found
        return _made(read_intent, intent)

    @override
    def read_payment(self, provider_payment_id: str) -> Observation | None:
        if not is_id(provider_payment_id, "pi"):
            return None
        intent = self._api.read(f"/payment_intents/{provider_payment_id}")
        return None if intent is None else self._observe(intent)

    @override
    def find_payment(self, attempt_id: UUID, *, since: datetime) -> Observation | None:
        """Page through the payments since then; the list, unlike the search, is never behind.

        Those created soon after come before all later ones, so that one of long ago is found
        without paging through everything since. The later ones follow all the same: an interrupted
        request may be repeated after hours, and only a look through them rules a payment out.
        """
        start, soon = (int(at.timestamp()) for at in (since - CLOCK_SKEW, since + CREATED_WITHIN))
        for created in ({"gte": start, "lte": soon}, {"gt": soon}):
            fields = {"created": created}
            for intent in self._api.rows("/payment_intents", fields, pages_max=FIND_PAGES_MAX):
                if attempt_of(intent) == attempt_id:
                    return self._observe(intent)
        return None

    @override
    def changed_payments(self, *, since: datetime, until: datetime) -> Iterator[str]:
        """Ids out of Stripe's events, which it keeps for thirty days: ``since`` lies within them.

        Raises:
            GatewayUnavailable: The list ended early: what was yielded is true but not all.
        """
        fields = {
            "created": {
                "gte": int(since.timestamp()),
                "lte": int((until + CLOCK_SKEW).timestamp()),
            },
            "types": webhooks.PAYMENT_EVENTS,
        }
        yielded: set[str] = set()
        for event in self._api.rows("/events", fields, pages_max=CHANGED_PAGES_MAX):
            payment = webhooks.payment_of(event)
            if payment is not None and payment not in yielded:
                yielded.add(payment)
                yield payment

    def _observe(self, intent: Mapping[str, Any]) -> Observation:
        """Read what must be a payment, with what its charge was followed by."""
        observation = read_intent(intent)
        if observation is None:
            raise GatewayUnavailable(f"{NAME} answered without a payment")
        if intent.get("latest_charge") is None:  # never charged: nothing to give back
            return observation
        of_it = {"payment_intent": observation.provider_payment_id}
        disputes = self._api.rows("/disputes", of_it, pages_max=CLAIM_PAGES_MAX)
        seen = read_intent(
            intent,
            refunds=[read_refund(row) for row in self._refunds(observation.provider_payment_id)],
            disputes=[read_dispute(row) for row in disputes],
        )
        return seen or observation

    def _refunds(self, provider_payment_id: str) -> Iterator[Mapping[str, Any]]:
        of_it = {"payment_intent": provider_payment_id}
        return self._api.rows("/refunds", of_it, pages_max=CLAIM_PAGES_MAX)

    @override
    def refund(self, new: NewRefund) -> RefundSeen:
        intent = None
        if is_id(new.provider_payment_id, "pi"):
            intent = self._api.read(f"/payment_intents/{new.provider_payment_id}")
        if intent is None:
            raise GatewayRefused(NAME, httpx.codes.NOT_FOUND, "resource_missing")
        # Looked for first: Stripe forgets keys after a day and would then refund again.
        for known in map(read_refund, self._refunds(new.provider_payment_id)):
            if known.refund_id == new.refund_id:
                return known
        fields = {
            "payment_intent": new.provider_payment_id,
            "amount": new.amount.minor,
            "metadata": {METADATA_REFUND: str(new.refund_id)},
            # Else the receiver of a destination charge keeps its share of money given back.
            "reverse_transfer": True if intent.get("transfer_data") else None,
        }
        made = self._api.write("/refunds", fields, key=f"refund:{new.refund_id}:create")
        return _made(read_refund, made)

    @override
    def open_account(self, new: NewAccount) -> AccountSeen:
        """Open an Express account; Stripe's own pages ask the receiver for everything else.

        ``document`` and ``payout`` are not sent: who the receiver is and where its money goes is
        between it and Stripe.
        """
        fields = {
            "type": "express",
            "country": new.country,
            "email": new.email,
            "business_profile": {"name": new.name},
            "capabilities": {"transfers": {"requested": True}},
            "metadata": {METADATA_ACCOUNT: str(new.account_ref)},
        }
        key = f"account:{new.account_ref}:create"
        account = self._api.write("/accounts", fields, key=key)
        if not is_id(account.get("id"), "acct"):
            raise OutcomeUnknown(f"{NAME} opened an account but its reply names none")
        return self._account(account)

    @override
    def read_account(self, account_id: str) -> AccountSeen | None:
        if not is_id(account_id, "acct"):
            return None
        account = self._api.read(f"/accounts/{account_id}")
        if account is None:
            return None
        if not is_id(account.get("id"), "acct"):
            raise GatewayUnavailable(f"{NAME} answered without an account")
        try:
            return self._account(account)
        except OutcomeUnknown as error:  # a link more or less is no outcome
            raise GatewayUnavailable(str(error)) from None

    def _account(self, account: Mapping[str, Any]) -> AccountSeen:
        state = account_state(account)
        has_more_to_do = state in {"pending", "restricted"} and asks_for_more(account)
        link = self._onboarding_link(account["id"]) if has_more_to_do else None
        return AccountSeen(account["id"], state, link)

    def _onboarding_link(self, account_id: str) -> str | None:
        """A new link: each works once, and for minutes only."""
        fields = {
            "account": account_id,
            "type": "account_onboarding",
            "return_url": self._return_url,
            "refresh_url": self._return_url,
        }
        url = self._api.write("/account_links", fields, key=None).get("url")
        return url if isinstance(url, str) else None

    @override
    def transfer(self, new: NewTransfer) -> TransferSeen:
        # Looked for first, by a group of its own: Stripe forgets keys after a day.
        group = f"transfer:{new.transfer_id}"
        listed = self._api.rows("/transfers", {"transfer_group": group}, pages_max=1)
        for known in map(read_transfer, listed):
            if known.transfer_id == new.transfer_id:
                return known
        fields = {
            "amount": new.amount.minor,
            "currency": new.amount.currency,
            "destination": new.account_id,
            "description": new.memo or None,
            "transfer_group": group,
            "metadata": {METADATA_TRANSFER: str(new.transfer_id)},
        }
        made = self._api.write("/transfers", fields, key=f"{group}:create")
        return _made(read_transfer, made)

    @override
    def read_transfer(self, provider_transfer_id: str) -> TransferSeen | None:
        if not is_id(provider_transfer_id, "tr"):
            return None
        transfer = self._api.read(f"/transfers/{provider_transfer_id}")
        return None if transfer is None else read_transfer(transfer)

    @override
    def verify_webhook(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> SignatureRefusal | None:
        return webhooks.verify(headers, body, secrets=self._webhook_secrets, now=now)

    @override
    def read_webhook(self, body: bytes) -> WebhookEvent:
        return webhooks.read(body)

    @override
    def close(self) -> None:
        self._api.close()


def _made(read: Callable[[Mapping[str, Any]], T | None], reply: Mapping[str, Any]) -> T:
    """Read the answer of a write that succeeded: whatever is odd about it, it was done.

    Raises:
        OutcomeUnknown: The answer does not say what was done.
    """
    try:
        made = read(reply)
    except GatewayUnavailable as error:
        raise OutcomeUnknown(f"{NAME} did it, but: {error}") from None
    if made is None:
        raise OutcomeUnknown(f"{NAME} did it, but its reply names nothing")
    return made
