"""The CrowdSplit adapter (PIX and cards through PagarMe)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import httpx
from typing_extensions import override

from offchain.gateways.calling import Caller
from offchain.gateways.crowdsplit import (
    accounts,
    changes,
    claims,
    notifications,
    payouts,
    webhooks,
)
from offchain.gateways.crowdsplit.api import Api, data_of, made_before, refusal
from offchain.gateways.crowdsplit.token import NAME
from offchain.gateways.crowdsplit.wire import (
    CURRENCY,
    Dialect,
    attempt_of_payment,
    path_id,
    payment_body,
    read_payment,
)
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
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

METHODS: Final[frozenset[Method]] = frozenset({"pix", "card"})
CURRENCIES: Final = frozenset({Currency(CURRENCY)})
_TO_BE_PAID: Final = frozenset({"awaiting", "processing", "unknown"})


class CrowdSplit(PayoutGateway):
    """One merchant account. Safe to share between threads."""

    def __init__(
        self,
        caller: Caller,
        *,
        webhook_secrets: Sequence[str] = (),
        dialect: Dialect = "gen3",
        transfer_cap_minor: int = payouts.TRANSFER_CAP_MINOR,
    ) -> None:
        """Make an adapter.

        Args:
            caller: What calls are made through.
            webhook_secrets: Every active secret; without one no webhook is genuine.
            dialect: The generation of the gateway's contract.
            transfer_cap_minor: The most that it takes in one transfer.
        """
        self._api = Api(caller, dialect)
        self._webhook_secrets = tuple(webhook_secrets)
        self._transfer_cap_minor = transfer_cap_minor

    @property
    @override
    def name(self) -> str:
        return NAME

    @property
    @override
    def methods(self) -> frozenset[Method]:
        return METHODS

    @property
    @override
    def currencies(self) -> frozenset[Currency]:
        return CURRENCIES

    @property
    @override
    def signature_headers(self) -> tuple[str, ...]:
        return (
            *webhooks.SIGNATURE_HEADERS,
            webhooks.TIMESTAMP_HEADER,
            webhooks.NOTIFICATION_HEADER,
        )

    @override
    def create_payment(self, new: NewPayment) -> Observation:
        made = self._create(new)
        if new.method == "pix" and _lacks_code(made):
            made = self._with_code(made)
        # It answers our own call, whatever it echoes.
        return replace(made, attempt_id=made.attempt_id or new.attempt_id)

    def _create(self, new: NewPayment) -> Observation:
        def look() -> Observation | None:
            return self.find_payment(new.attempt_id, since=new.created_at)

        made = None if self._api.keeps_keys else look()
        if made is not None:
            return made
        body = payment_body(new, customer_id=self._customer(new))
        reply = self._api.post("/payments", body, key=str(new.attempt_id))
        if not reply.is_success:
            return made_before(look, refusal(reply))
        try:
            observation = read_payment(data_of(reply))
        except GatewayUnavailable as error:
            raise OutcomeUnknown(f"{NAME} created a payment: {error}") from None
        if observation is None:
            raise OutcomeUnknown(f"{NAME} created a payment but its reply names none")
        return observation

    def _with_code(self, made: Observation) -> Observation:
        """A payment that nobody can pay yet, as it is now."""
        try:
            seen = self.read_payment(made.provider_payment_id)
        except (GatewayUnavailable, GatewayRefused) as error:
            raise OutcomeUnknown(f"{NAME} created a payment without a code: {error}") from None
        if seen is None or _lacks_code(seen):
            raise OutcomeUnknown(f"{NAME} created a payment but shows no valid code of it yet")
        return seen

    @override
    def read_payment(self, provider_payment_id: str) -> Observation | None:
        identifier = path_id(provider_payment_id)
        if identifier is None:  # no id of theirs, and nothing else belongs in a path
            return None
        data = self._api.read(f"/transactions/{identifier}")
        return None if data is None else self._whole(data)

    @override
    def find_payment(self, attempt_id: UUID, *, since: datetime) -> Observation | None:
        """Page through the payments since then; metadata cannot be filtered on."""
        for row in changes.payments_since(self._api, since):
            if attempt_of_payment(row) == attempt_id and read_payment(row) is not None:
                return self._whole(row)
        return None

    @override
    def changed_payments(self, *, since: datetime, until: datetime) -> Iterator[str]:
        return changes.changed_payments(self._api, since=since, until=until)

    def _whole(self, data: Mapping[str, Any]) -> Observation:
        """What a payment is, with everything that was given back of it.

        Raises:
            GatewayUnavailable: It is no payment, or a claim of it cannot be read.
        """
        seen = read_payment(data)
        if seen is None:
            raise GatewayUnavailable(f"{NAME} answered without a payment")
        return replace(
            seen,
            refunds=claims.refunds_of(self._api, data, seen),
            disputes=claims.disputes_of(self._api, data, seen),
        )

    def _customer(self, new: NewPayment) -> str:
        """The customer that stands for a backer, and for the document that pays: once per key.

        Nothing else of a person is told.
        """
        body = {"email": f"{new.backer_id}@backers.invalid", "country_code": "BR"}
        key = f"customer:{new.backer_id}"
        if new.payer_document is not None:
            body |= accounts.document_of(new.payer_document)
            key += f":{uuid5(new.backer_id, new.payer_document)}"
        reply = self._api.post("/customers", body, key=key)
        if reply.status == httpx.codes.CONFLICT:  # another try is making the same customer
            raise GatewayUnavailable(f"{NAME} is still making this customer")
        data = data_of(reply)
        found = data.get("id") or data.get("customer_id")
        if not isinstance(found, str):
            raise GatewayRefused(NAME, reply.status, "customer_without_id")
        return found

    @override
    def refund(self, new: NewRefund) -> RefundSeen:
        identifier = path_id(new.provider_payment_id)
        if identifier is None:
            raise GatewayRefused(NAME, httpx.codes.NOT_FOUND, "not_found")
        made = None if self._api.keeps_keys else self._find_refund(new)
        if made is not None:
            return made
        path = f"/payments/{identifier}/refund"
        reply = self._api.post(path, claims.refund_body(new), key=str(new.refund_id))
        if not reply.is_success:
            return made_before(lambda: self._find_refund(new), refusal(reply))
        data = data_of(reply)
        created = claims.read_refund(data, refund_id=new.refund_id, minor=new.amount.minor)
        if created is None:
            raise OutcomeUnknown(f"{NAME} made a refund but its reply names none")
        return self._refund_now(created)

    def _refund_now(self, created: RefundSeen) -> RefundSeen:
        """What became of a refund: its answer only ever says that it was created."""
        identifier = path_id(created.provider_refund_id)
        try:
            row = self._api.read(f"/transactions/{identifier}") if identifier else None
        except (GatewayUnavailable, GatewayRefused):
            return created  # it was made; the next reading of its payment says more
        now = claims.read_refund(row or {}, refund_id=created.refund_id, minor=created.minor)
        return now or created

    def _find_refund(self, new: NewRefund) -> RefundSeen | None:
        seen = self.read_payment(new.provider_payment_id)
        refunds = () if seen is None else seen.refunds
        return next((r for r in refunds if r.refund_id == new.refund_id), None)

    @override
    def open_account(self, new: NewAccount) -> AccountSeen:
        return accounts.open_account(self._api, new)

    @override
    def read_account(self, account_id: str) -> AccountSeen | None:
        return accounts.read_account(self._api, account_id)

    @override
    def transfer(self, new: NewTransfer) -> TransferSeen:
        return payouts.transfer(self._api, new, cap_minor=self._transfer_cap_minor)

    @override
    def read_transfer(self, provider_transfer_id: str) -> TransferSeen | None:
        identifier = path_id(provider_transfer_id)
        data = None if identifier is None else self._api.read(f"/transactions/{identifier}")
        return None if data is None else payouts.read_transfer(data)

    def register_webhook(self, url: str) -> str:
        """Have events sent to an URL; returns the secret, which the gateway shows this once."""
        return notifications.register(self._api, url)

    def list_webhooks(self) -> list[notifications.Endpoint]:
        """Every registered webhook."""
        return notifications.endpoints(self._api)

    def delete_webhook(self, endpoint_id: str) -> bool:
        """End a registration; whether there was one."""
        return notifications.delete(self._api, endpoint_id)

    def undelivered(self, *, since: datetime) -> Iterator[notifications.Undelivered]:
        """Notifications since then that did not reach us."""
        return notifications.undelivered(self._api, since=since)

    def replay(self, notification_id: str) -> None:
        """Have a notification delivered once more; only the third generation can."""
        notifications.replay(self._api, notification_id)

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


def _lacks_code(seen: Observation) -> bool:
    """Whether a PIX payment that is still to be paid cannot be."""
    return seen.pix_code is None and seen.effect in _TO_BE_PAID
