"""The desk of customers, their registrations as sub-accounts, and their payment methods."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.records import PROVIDER, Record
from stack.fakes.crowdsplit.words import Dialect, Json, bare, invalid, not_found, required, wire

STATUSES: Final = frozenset(
    {
        "NOT_SUBMITTED",
        "SUBMITTED",
        "AWAITING_CONFIRMATION",
        "PROCESSING",
        "APPROVED",
        "REJECTED",
        "RESTRICTED",
        "CANCELLED",
        "ERROR",
    }
)
_ROLES = frozenset({"subaccount", "customer", "connected_account"})
_DOCUMENTS = {
    "personal_tax_id": re.compile(r"\d{11}"),
    "cpf": re.compile(r"\d{11}"),
    "company_tax_id": re.compile(r"[0-9A-Z]{12}\d{2}"),
    "cnpj": re.compile(r"[0-9A-Z]{12}\d{2}"),
}
_PIX_KEY = re.compile(
    r"\d{11}|\d{14}|\+55\d{10,11}|[^\sA-Z@]+@[^\sA-Z@]+\.[a-z]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_NEEDS: Final = {
    "card": ("card_token", "billing_address"),
    "bank": ("bank_branch_code", "bank_account_number", "bank_account_name", "bank_name"),
    "customer_wallet": ("evm_address", "chain", "currency"),
}


@dataclass(slots=True, kw_only=True)
class Registration(Record):
    """How far a customer is at the provider."""

    customer_id: str
    target_role: str

    def document(self, dialect: Dialect) -> Json:
        """The registration; while it waits it shows where to go on."""
        is_waiting = self.status == "AWAITING_CONFIRMATION"
        link = {"kyc_link": f"https://kyc.example.org/{self.customer_id}"}
        return {
            "id": wire("preg", self.id, dialect),
            "customer_id": wire("cus", self.customer_id, dialect),
            "provider": PROVIDER,
            "target_role": self.target_role,
            "provider_response": link if is_waiting else None,
            "rejection_reason": "refused" if self.status == "REJECTED" else None,
            "readiness": None,
            "action_required": is_waiting,
            **self.dates(dialect),
        }


@dataclass(slots=True, kw_only=True)
class Method(Record):
    """Where a customer's money comes from or goes to."""

    terms: Json

    def document(self, dialect: Dialect) -> Json:
        """The method, without the secret that stands for a card."""
        shown = {name: value for name, value in self.terms.items() if name != "card_token"}
        return {**shown, "id": wire("pm", self.id, dialect), **self.dates(dialect)}


@dataclass(slots=True, kw_only=True)
class Customer(Record):
    """A payer or a receiver."""

    terms: Json
    registration: Registration | None = None
    methods: dict[str, Method] = field(default_factory=dict)

    def document(self, dialect: Dialect) -> Json:
        """The customer; the second generation names its id otherwise."""
        name = "customer_id" if dialect == "gen2" else "id"
        return {**self.terms, name: wire("cus", self.id, dialect), **self.dates(dialect)}


class Accounts:
    """Every method is one atomic step."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._customers: dict[str, Customer] = {}

    def create(self, body: Mapping[str, Any]) -> Json:
        """Make a customer."""
        terms = _customer_terms(body)
        with self._books.lock:
            customer = Customer(**self._books.new_record(), status="active", terms=terms)
            self._customers[customer.id] = customer
            return customer.document(self._books.dialect)

    def change(self, identifier: str, body: Mapping[str, Any]) -> Json:
        """Change a customer."""
        with self._books.lock:
            customer = self.customer(identifier)
            terms = _customer_terms({**customer.terms, **body})
            self._books.move(customer, "customer.updated", terms=terms)
            return customer.document(self._books.dialect)

    def customer(self, identifier: str) -> Customer:
        """Look a customer up by either form of its id."""
        found = self._customers.get(bare(identifier, "cus"))
        if found is None:
            raise not_found("customer")
        return found

    def customers(self, query: Mapping[str, str]) -> list[Customer]:
        """Customers that match the documented filters, newest first."""
        with self._books.lock:
            rows = list(reversed(self._customers.values()))
        wanted = {name: query[name] for name in query if name in _FILTERS}
        return [row for row in rows if all(row.terms.get(n) == v for n, v in wanted.items())]

    def submit(self, identifier: str, body: Mapping[str, Any]) -> Json:
        """Submit a customer to the provider."""
        books = self._books
        if body.get("provider") != PROVIDER or body.get("target_role") not in _ROLES:
            raise invalid("provider or target_role is not known")
        with books.lock:
            customer = self.customer(identifier)
            if "document_number" not in customer.terms:
                raise invalid("the customer has no document_number")
            is_automatic = books.switches.registrations == "automatic"
            customer.registration = Registration(
                **books.new_record(),
                status="APPROVED" if is_automatic else "AWAITING_CONFIRMATION",
                customer_id=customer.id,
                target_role=str(body["target_role"]),
            )
            books.tell("provider_registration.submitted", customer.registration)
            return {"rows": [customer.registration.document(books.dialect)]}

    def decide(self, identifier: str, status: str) -> Registration:
        """Let the provider decide about a registration."""
        if status not in STATUSES:
            raise invalid("no such status")
        with self._books.lock:
            registration = self.customer(identifier).registration
            if registration is None:
                raise not_found("registration")
            event = f"provider_registration.{status.lower()}"
            self._books.move(registration, event, status=status)
            return registration

    def add_method(self, identifier: str, body: Mapping[str, Any]) -> Json:
        """Add a payment method."""
        terms = _method_terms(body)
        with self._books.lock:
            customer = self.customer(identifier)
            method = Method(**self._books.new_record(), status="active", terms=terms)
            customer.methods[method.id] = method
            self._books.tell("payment_method.created", method)
            return method.document(self._books.dialect)

    def method(self, identifier: str, method_id: str) -> Method:
        """Look a payment method up."""
        found = self.customer(identifier).methods.get(bare(method_id, "pm"))
        if found is None:
            raise not_found("payment method")
        return found

    def remove_method(self, identifier: str, method_id: str) -> None:
        """Remove a payment method."""
        with self._books.lock:
            del self.customer(identifier).methods[self.method(identifier, method_id).id]


_FILTERS = frozenset({"email", "document_type", "country_code"})


def _customer_terms(body: Mapping[str, Any]) -> Json:
    if not isinstance(body.get("email"), str) or not body["email"]:
        raise invalid("email is required")
    number = body.get("document_number")
    if number is not None:
        shape = _DOCUMENTS.get(str(body.get("document_type")))
        if shape is None or not shape.fullmatch(str(number)):
            raise invalid("document_number does not fit document_type")
    return {name: value for name, value in body.items() if name not in {"id", "status"}}


def _method_terms(body: Mapping[str, Any]) -> Json:
    kind = body.get("type")
    if kind == "pix":
        if not _PIX_KEY.fullmatch(str(body.get("pix_string", ""))):
            raise invalid("pix_string is not a PIX key")
    elif kind in _NEEDS:
        missing = [name for name in _NEEDS[str(kind)] if not body.get(name)]
        if missing:
            raise invalid(f"{missing[0]} is required")
        if kind == "card":
            required(body, "billing_address")
    else:
        raise invalid("type must be pix, card, bank or customer_wallet")
    return dict(body)
