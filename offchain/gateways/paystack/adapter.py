"""The Paystack adapter (cards, bank accounts and USSD on its hosted page).

Paystack knows no idempotency keys. What carries a reference of ours may be repeated: the second
try is refused as a duplicate and the first one's effect is read instead. A refund carries none, so
it is sent once, and looked for before it is sent again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from typing_extensions import override

from offchain.gateways.calling import Caller
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.paystack import claims, payouts, webhooks
from offchain.gateways.paystack.api import Api, data_of
from offchain.gateways.paystack.changes import changed
from offchain.gateways.paystack.wire import (
    CHANNELS,
    NAME,
    initialize_body,
    is_duplicate,
    is_reference,
    read_initialized,
    read_transaction,
    reference_of,
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

CURRENCIES = frozenset(map(Currency, ("ngn", "ghs", "zar", "kes", "usd")))


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Paystack(PayoutGateway):
    """One integration. Safe to share between threads."""

    def __init__(
        self,
        caller: Caller,
        *,
        webhook_secrets: Sequence[str] = (),
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Make an adapter.

        Args:
            caller: What calls Paystack.
            webhook_secrets: The secret API keys that webhooks may be signed with.
            now: The present.
        """
        self._api = Api(caller)
        self._webhook_secrets = tuple(webhook_secrets)
        self._now = now

    @property
    @override
    def name(self) -> str:
        return NAME

    @property
    @override
    def methods(self) -> frozenset[Method]:
        return frozenset(CHANNELS)

    @property
    @override
    def currencies(self) -> frozenset[Currency]:
        return CURRENCIES

    @property
    @override
    def signature_headers(self) -> tuple[str, ...]:
        return (webhooks.SIGNATURE_HEADER,)

    @override
    def create_payment(self, new: NewPayment) -> Observation:
        """Create a payment, or find the one this attempt created before.

        One that is found has no ``authorization_url``: Paystack gives it once, and a second
        transaction under another reference could be paid as well as the first. A backer who never
        got the page pays by a new attempt; should the old one be paid all the same, it is known
        under its reference and is given back like any second payment.
        """
        if new.method not in CHANNELS:
            raise GatewayRefused(NAME, httpx.codes.BAD_REQUEST, "unsupported_channel")
        reply = self._api.post("/transaction/initialize", initialize_body(new), is_repeatable=True)
        if is_duplicate(reply.body):
            return self._created_before(new.attempt_id)
        created = read_initialized(data_of(reply), new)
        if created is None:
            raise OutcomeUnknown(f"{NAME} created a payment but its reply gives no page for it")
        return created

    def _created_before(self, attempt_id: UUID) -> Observation:
        try:
            found = self.read_payment(reference_of(attempt_id))
        except GatewayUnavailable as error:
            raise OutcomeUnknown(f"{NAME} has this reference already: {error}") from None
        if found is None:
            raise OutcomeUnknown(f"{NAME} has this reference but shows no payment of it yet")
        if found.attempt_id != attempt_id:
            raise GatewayRefused(NAME, httpx.codes.CONFLICT, "reference_of_another_payment")
        return found

    @override
    def read_payment(self, provider_payment_id: str) -> Observation | None:
        found = self._verified(provider_payment_id)
        if found is None:
            return None
        seen = read_transaction(found, now=self._now())
        if seen is None or seen.provider_payment_id != provider_payment_id:
            raise GatewayUnavailable(f"{NAME} answered with another payment")
        if seen.effect != "captured":  # nothing was paid, so nothing can be claimed back
            return seen
        transaction = claims.transaction_of(found)
        refunds = self._refunds(transaction)
        rows = self._api.rows("/dispute", {"transaction": transaction.number})
        disputes = claims.read_disputes(rows, transaction)
        rest = claims.unexplained_reversal(transaction, seen.provider_status, refunds, disputes)
        return replace(seen, refunds=refunds + rest, disputes=disputes)

    @override
    def find_payment(self, attempt_id: UUID, *, since: datetime) -> Observation | None:
        return self.read_payment(reference_of(attempt_id))

    @override
    def changed_payments(self, *, since: datetime, until: datetime) -> Iterator[str]:
        return changed(self._api, since=since, until=until)

    @override
    def refund(self, new: NewRefund) -> RefundSeen:
        """Give money back, or find the refund this call made before by its merchant note."""
        found = self._verified(new.provider_payment_id)
        if found is None:
            raise GatewayRefused(NAME, httpx.codes.NOT_FOUND, "transaction_not_found")
        for known in self._refunds(claims.transaction_of(found)):
            if known.refund_id == new.refund_id:
                return known
        data = data_of(self._api.post("/refund", claims.refund_body(new), is_repeatable=False))
        try:
            return replace(claims.read_refund(data), refund_id=new.refund_id)
        except GatewayUnavailable as error:
            raise OutcomeUnknown(f"{NAME} made a refund: {error}") from None

    def _verified(self, reference: str) -> Mapping[str, Any] | None:
        """The transaction with this reference; None when there is none."""
        if not is_reference(reference):
            return None
        return self._api.find(f"/transaction/verify/{reference}")

    def _refunds(self, transaction: claims.Transaction) -> tuple[RefundSeen, ...]:
        rows = self._api.rows("/refund", {"transaction": transaction.number})
        return claims.read_refunds(rows, transaction)

    @override
    def open_account(self, new: NewAccount) -> AccountSeen:
        """Make a transfer recipient; the same bank account again gives the same recipient."""
        body = payouts.recipient_body(new)
        reply = self._api.post("/transferrecipient", body, is_repeatable=True)
        seen = payouts.read_account(data_of(reply))
        if seen is None:
            raise OutcomeUnknown(f"{NAME} made a recipient but its reply names none")
        return seen

    @override
    def read_account(self, account_id: str) -> AccountSeen | None:
        path = payouts.account_path(account_id)
        found = None if path is None else self._api.find(path)
        if found is None:
            return None
        seen = payouts.read_account(found)
        if seen is None:
            raise GatewayUnavailable(f"{NAME} answered without an account")
        return seen

    @override
    def transfer(self, new: NewTransfer) -> TransferSeen:
        """Move money; every try has the same reference, so that it moves once."""
        reply = self._api.post("/transfer", payouts.transfer_body(new), is_repeatable=True)
        try:
            data = data_of(reply)
        except GatewayRefused as refused:
            made = self._transferred_before(str(new.transfer_id), refused)
            if made is not None:
                return made
            if is_duplicate(reply.body):
                raise OutcomeUnknown(
                    f"{NAME} has this reference but shows no transfer of it yet"
                ) from None
            raise
        seen = payouts.read_transfer(data)
        if seen is None or seen.transfer_id != new.transfer_id:
            raise OutcomeUnknown(f"{NAME} made a transfer but its reply names another")
        return seen

    def _transferred_before(self, reference: str, refused: GatewayRefused) -> TransferSeen | None:
        """What an earlier try moved, whose reference or money this one may be refused for."""
        try:
            return self.read_transfer(reference)
        except (GatewayUnavailable, GatewayRefused) as error:
            raise OutcomeUnknown(f"{refused}; whether it was made before: {error}") from None

    @override
    def read_transfer(self, provider_transfer_id: str) -> TransferSeen | None:
        if not payouts.is_transfer_reference(provider_transfer_id):
            return None
        found = self._api.find(f"/transfer/verify/{provider_transfer_id}")
        if found is None:
            return None
        seen = payouts.read_transfer(found)
        if seen is None:
            raise GatewayUnavailable(f"{NAME} answered without a transfer")
        return seen

    @override
    def verify_webhook(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> SignatureRefusal | None:
        return webhooks.verify(headers, body, secrets=self._webhook_secrets)

    @override
    def read_webhook(self, body: bytes) -> WebhookEvent:
        return webhooks.read(body)

    @override
    def close(self) -> None:
        self._api.close()
