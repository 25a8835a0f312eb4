"""What the fake gateway remembers, and the rules by which it changes. One lock guards it all."""

import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from stack.fakes.crowdsplit.words import (
    Refused,
    bare,
    br_code,
    instant_of,
    invalid,
    not_found,
)

TOKEN_LIFE_S = 3600
PAGE_DEFAULT, PAGE_MAX = 10, 100
DECLINED_TOKEN = "tok_declined"  # noqa: S105 - a magic word of this fake


@dataclass(slots=True)
class Payment:
    """One payment as the gateway knows it."""

    id: str
    source: dict[str, Any]
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    status: str
    sub_status: str | None = None
    paid_amount: int | None = None
    qr_code: str | None = None
    installments: int | None = None
    version: int = 1
    refunds: list[tuple[str, int]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The payment as the gateway shows it; the QR code lies where PagarMe puts it."""
        charge: dict[str, Any] = {"last_transaction": {"qr_code": self.qr_code}}
        if self.paid_amount is not None:
            charge["paid_amount"] = self.paid_amount
        return {
            "id": f"pay_{self.id}",
            "status": self.status,
            "sub_status": self.sub_status,
            "type": "payment",
            "provider": "pagar_me",
            "source": self.source,
            "confirm": True,
            "total_installments": self.installments,
            "metadata": self.metadata,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "settlement_date": None,
            "provider_response": {"charges": [charge]},
            "version": self.version,
            "refund_ids": [f"ref_{identifier}" for identifier, _ in self.refunds],
            "dispute_ids": [],
            "fee": None,
        }


@dataclass(slots=True)
class Endpoint:
    """Where webhooks go."""

    id: str
    url: str
    secret: str


Listener = Callable[[str, dict[str, Any]], None]


class Books:
    """The gateway's memory. Every public method is one atomic step."""

    def __init__(self, *, client_id: str, client_secret: str, seed: str | None = None) -> None:
        self.lock = threading.RLock()
        self.endpoints: dict[str, Endpoint] = {}
        self.listener: Listener = lambda _event, _data: None
        self.preset_secret: str | None = None
        """Secret of every endpoint registered; None makes one each."""
        self.token_grants = 0
        self._client = (client_id, client_secret)
        self._seed = uuid.uuid5(uuid.NAMESPACE_URL, seed) if seed else uuid.uuid4()
        self._made = 0
        self._ahead_s = 0.0
        self._tokens: dict[str, float] = {}
        self._customers: dict[str, dict[str, Any]] = {}
        self._payments: dict[str, Payment] = {}
        self._replays: dict[tuple[str, str], tuple[bytes, dict[str, Any]]] = {}

    def now(self) -> datetime:
        """The fake's clock: the real one, ahead by what it was advanced."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead_s)

    def advance(self, seconds: float) -> None:
        """Move the clock ahead."""
        with self.lock:
            self._ahead_s += seconds

    def new_id(self) -> str:
        """The next id; the same series for the same seed."""
        with self.lock:
            self._made += 1
            return str(uuid.uuid5(self._seed, str(self._made)))

    def register_endpoint(self, url: str) -> Endpoint:
        """Register where webhooks go; an url can be registered once."""
        with self.lock:
            if any(endpoint.url == url for endpoint in self.endpoints.values()):
                raise Refused(HTTPStatus.CONFLICT, "conflict", "this url is registered")
            secret = self.preset_secret or f"whsec_{self.new_id()}"
            endpoint = Endpoint(self.new_id(), url, secret)
            self.endpoints[endpoint.id] = endpoint
            return endpoint

    def grant(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Grant a token; unknown merchants are not found, as at the real one."""
        if body.get("grant_type") != "client_credentials":
            raise invalid("grant_type must be client_credentials")
        if (body.get("client_id"), body.get("client_secret")) != self._client:
            raise not_found("merchant")
        with self.lock:
            self.token_grants += 1
            token = f"tok-{self.new_id()}"
            self._tokens[token] = self.now().timestamp() + TOKEN_LIFE_S
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFE_S}

    def check_token(self, authorization: str) -> None:
        """Let only live tokens pass."""
        expires = self._tokens.get(authorization.removeprefix("Bearer "), 0.0)
        if expires <= self.now().timestamp():
            raise Refused(HTTPStatus.UNAUTHORIZED, "authentication_error", "token is not valid")

    def forget_tokens(self) -> None:
        """Make every token granted so far worthless."""
        with self.lock:
            self._tokens.clear()

    def once(
        self,
        path: str,
        key: str | None,
        body: Mapping[str, Any],
        effect: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """Run an effect once per idempotency key and replay its answer afterwards."""
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
        with self.lock:
            if key is None:
                return effect()
            known = self._replays.get((path, key))
            if known is None:
                known = self._replays[path, key] = (digest, effect())
            if known[0] != digest:
                raise Refused(
                    HTTPStatus.CONFLICT,
                    "conflict",
                    "this key was used for another body",
                    reason="idempotency_mismatch",
                )
            return known[1]

    def create_customer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a customer."""
        if not isinstance(body.get("email"), str):
            raise invalid("email is required")
        with self.lock:
            identifier = self.new_id()
            self._customers[identifier] = dict(body)
        return {**body, "id": f"cus_{identifier}", "version": 1}

    def create_payment(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a payment by PIX or card."""
        with self.lock:
            source = dict(_mapping(body, "source"))
            method = dict(_mapping(source, "payment_method"))
            self._check_source(source)
            now = self.now()
            payment = Payment(
                id=self.new_id(),
                source=source,
                metadata={str(k): str(v) for k, v in (body.get("metadata") or {}).items()},
                created_at=now,
                updated_at=now,
                status="awaiting_confirmation",
                installments=body.get("total_installments"),
            )
            if method.get("type") == "pix":
                _check_pix(source, method, now)
                payment.qr_code = br_code(payment.id)
            elif method.get("type") == "card":
                _check_card(source, method)
                _charge_card(payment, method)
            else:
                raise invalid("payment_method.type must be pix or card")
            source["currency"] = str(source["currency"]).lower()
            self._payments[payment.id] = payment
            self.listener(f"payment.{payment.status}", payment.document())
            return payment.document()

    def _check_source(self, source: Mapping[str, Any]) -> None:
        amount = source.get("amount")
        if not isinstance(amount, int) or isinstance(amount, bool) or amount < 1:
            raise invalid("source.amount must be a positive integer")
        if not isinstance(source.get("currency"), str):
            raise invalid("source.currency is required")
        customer = str(_mapping(source, "customer").get("id", ""))
        if bare(customer, "cus") not in self._customers:
            raise not_found("customer")

    def payment(self, identifier: str) -> Payment:
        """Look a payment up by either form of its id."""
        found = self._payments.get(bare(identifier, "pay"))
        if found is None:
            raise not_found("transaction")
        return found

    def payments(self, query: Mapping[str, str]) -> list[Payment]:
        """All payments that match the documented filters, newest first."""
        statuses = {s for s in query.get("status", "").lower().split(",") if s}
        since = query.get("date_from") or query.get("dateFrom")
        until = query.get("date_to") or query.get("dateTo")
        customer = query.get("customer_id")
        with self.lock:
            rows = list(self._payments.values())
        rows.reverse()
        return [
            row
            for row in rows
            if (not statuses or row.status in statuses)
            and (since is None or row.created_at >= instant_of(since))
            and (until is None or row.created_at <= instant_of(until))
            and (customer is None or _customer_of(row) == bare(customer, "cus"))
        ]

    def move(self, identifier: str, event: str, **changes: Any) -> Payment:  # noqa: ANN401 - fields of Payment
        """Change a payment, count its version up and tell the listener."""
        with self.lock:
            payment = self.payment(identifier)
            for name, value in changes.items():
                setattr(payment, name, value)
            payment.version += 1
            payment.updated_at = self.now()
            self.listener(event, payment.document())
            return payment

    def pay(self, identifier: str, amount: int | None) -> Payment:
        """Take the money, whatever the state, as a real PIX may; twice pays once."""
        with self.lock:
            payment = self.payment(identifier)
            if payment.status == "captured":
                return payment
            paid = payment.source["amount"] if amount is None else amount
            source = {**payment.source, "amount": paid}
            return self.move(
                identifier, "payment.captured", status="captured", source=source, paid_amount=paid
            )

    def cancel(self, identifier: str) -> Payment:
        """Cancel what is not complete."""
        with self.lock:
            if self.payment(identifier).status not in {"awaiting_confirmation", "processing"}:
                raise Refused(
                    HTTPStatus.BAD_REQUEST, "validation_error", "only an open payment is cancelled"
                )
            return self.move(identifier, "payment.cancelled", status="canceled")

    def refund(self, identifier: str, amount: int | None) -> dict[str, Any]:
        """Give money back, never more than was paid."""
        with self.lock:
            payment = self.payment(identifier)
            paid = payment.paid_amount or 0
            refunded = sum(part for _, part in payment.refunds)
            wanted = paid - refunded if amount is None else amount
            if payment.status != "captured" or not 1 <= wanted <= paid - refunded:
                raise Refused(
                    HTTPStatus.BAD_REQUEST, "validation_error", "that much cannot be refunded"
                )
            refund_id = self.new_id()
            refunds = [*payment.refunds, (refund_id, wanted)]
            self.move(identifier, "payment.refunded", refunds=refunds)
            return {
                "id": f"ref_{refund_id}",
                "status": "created",
                "type": "refund",
                "amount": wanted,
                "provider": "pagar_me",
            }


def _check_pix(source: Mapping[str, Any], method: Mapping[str, Any], now: datetime) -> None:
    if "capture_method" in source:
        raise invalid("capture_method does not go with pix")
    expiry = method.get("expiry_date")
    if not isinstance(expiry, str) or instant_of(expiry) <= now:
        raise invalid("payment_method.expiry_date must lie in the future")


def _check_card(source: Mapping[str, Any], method: Mapping[str, Any]) -> None:
    if source.get("capture_method") not in {"automatic", "manual"}:
        raise invalid("capture_method must be automatic or manual")
    if ("id" in method) == ("card_token" in method):
        raise invalid("payment_method needs either id or card_token")


def _charge_card(payment: Payment, method: Mapping[str, Any]) -> None:
    """Charge at once: captured, waiting for capture, or declined."""
    if method.get("card_token") == DECLINED_TOKEN:
        payment.status, payment.sub_status = "failed", "authorization_failed"
    elif payment.source["capture_method"] == "manual":
        payment.status, payment.sub_status = "processing", "awaiting_capture"
    else:
        payment.status, payment.sub_status = "captured", "captured"
        payment.paid_amount = payment.source["amount"]


def _customer_of(payment: Payment) -> str:
    return bare(str(payment.source["customer"]["id"]), "cus")


def _mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise invalid(f"{name} is required")
    return value
