"""The CrowdSplit adapter (PIX and cards through PagarMe)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from typing_extensions import override

from offchain.gateways import crowdsplit_webhooks as webhooks
from offchain.gateways.crowdsplit_session import NAME, Session, require_success
from offchain.gateways.crowdsplit_wire import (
    attempt_of_payment,
    bare_id,
    own_uuid,
    payment_body,
    read_payment,
)
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.types import (
    Gateway,
    NewPayment,
    Observation,
    SignatureRefusal,
    WebhookEvent,
)

READ_TRIES = 3
"""A payment may not be readable at once after it was created."""
PAGE = 100
FIND_PAGES_MAX = 20
CLOCK_SKEW = timedelta(minutes=5)


class CrowdSplit(Gateway):
    """One merchant account. Safe to share between threads."""

    def __init__(self, session: Session, *, webhook_secrets: Sequence[str] = ()) -> None:
        self._session = session
        self._webhook_secrets = tuple(webhook_secrets)

    @property
    @override
    def name(self) -> str:
        return NAME

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
        body = payment_body(new, customer_id=self._customer(new.backer_id))
        reply = self._session.post("/payments", body, key=str(new.attempt_id))
        if reply.status == httpx.codes.CONFLICT:
            found = self.find_payment(new.attempt_id, since=new.created_at)
            if found is not None:
                return found
            # An earlier try is still at work there, or its payment is not listed yet.
            raise OutcomeUnknown(f"{NAME} has this key but lists no payment of it yet")
        data = require_success(reply).data
        try:
            observation = read_payment(data)
        except GatewayUnavailable as error:
            raise OutcomeUnknown(f"{NAME} created a payment: {error}") from None
        if observation is None:
            raise OutcomeUnknown(f"{NAME} created a payment but its reply names none")
        return observation

    @override
    def read_payment(self, provider_payment_id: str) -> Observation | None:
        identifier = own_uuid(bare_id(provider_payment_id))
        if identifier is None:  # no id of theirs, and nothing else belongs in a path
            return None
        for _ in range(READ_TRIES):
            reply = self._session.get(f"/transactions/{identifier}")
            if reply.status != httpx.codes.NOT_FOUND:
                return _payment(require_success(reply).data)
        return None

    @override
    def find_payment(self, attempt_id: UUID, *, since: datetime) -> Observation | None:
        """Page through the payments since then; metadata cannot be filtered on."""
        for page in range(FIND_PAGES_MAX):
            rows = self._page(page, since - CLOCK_SKEW)
            for row in rows:
                if isinstance(row, Mapping) and attempt_of_payment(row) == attempt_id:
                    return _payment(row)
            if len(rows) < PAGE:
                return None
        raise GatewayUnavailable(f"{NAME} lists too many payments to look through")

    def _page(self, page: int, since: datetime) -> list[object]:
        params: dict[str, str | int] = {
            "limit": PAGE,
            "offset": page * PAGE,
            "date_from": since.isoformat(),
        }
        reply = self._session.get("/transactions", params)
        if reply.status == httpx.codes.NOT_FOUND:  # the sandbox answers an empty list so
            return []
        rows = require_success(reply).data.get("transaction_list")
        return rows if isinstance(rows, list) else []

    def _customer(self, backer_id: UUID) -> str:
        """The customer that stands for a backer: created once per key, with no personal data."""
        body = {"email": f"{backer_id}@backers.invalid", "country_code": "BR"}
        reply = self._session.post("/customers", body, key=f"customer:{backer_id}")
        if reply.status == httpx.codes.CONFLICT:  # another try is making the same customer
            raise GatewayUnavailable(f"{NAME} is still making this customer")
        data = require_success(reply).data
        found = data.get("id") or data.get("customer_id")
        if not isinstance(found, str):
            raise GatewayRefused(NAME, reply.status, "customer_without_id")
        return found

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
        self._session.close()


def _payment(data: Mapping[str, Any]) -> Observation:
    """Read what must be a payment.

    Raises:
        GatewayUnavailable: It is none.
    """
    observation = read_payment(data)
    if observation is None:
        raise GatewayUnavailable(f"{NAME} answered without a payment")
    return observation
