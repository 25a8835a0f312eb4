"""Receivers of the fake: recipients of transfers, subaccounts and their splits."""

from collections.abc import Mapping
from typing import Any

from stack.fakes.paystack.books import Books
from stack.fakes.paystack.words import (
    DOMAIN,
    INTEGRATION,
    Json,
    currency_of,
    invalid,
    not_found,
    stamp,
)

RECIPIENT_TYPES = frozenset({"nuban", "ghipss", "mobile_money", "kepss", "basa", "authorization"})


class Receivers:
    """Who can be paid. Every public method is one atomic step of the books."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.recipients: dict[str, Json] = {}

    def create_recipient(self, fields: Mapping[str, Any]) -> Json:
        """Make a recipient, or return the one of the same bank account."""
        kind = fields.get("type", "nuban")
        if kind not in RECIPIENT_TYPES:
            raise invalid("Type is not supported", "invalid_recipient_type")
        name, number = _text(fields, "name"), _text(fields, "account_number")
        bank, currency = _text(fields, "bank_code"), currency_of(fields)
        with self._books.lock:
            details = {"account_number": number, "bank_code": bank, "bank_name": "Test Bank"}
            for known in self.recipients.values():
                same = (known["type"], known["currency"], known["details"])
                if same == (kind, currency, details) and not known["is_deleted"]:
                    return known
            made: Json = {
                "active": True,
                "createdAt": stamp(self._books.now()),
                "updatedAt": stamp(self._books.now()),
                "currency": currency,
                "description": fields.get("description"),
                "domain": DOMAIN,
                "email": fields.get("email"),
                "id": self._books.new_number(),
                "integration": INTEGRATION,
                "metadata": fields.get("metadata"),
                "name": name,
                "recipient_code": self._books.new_code("RCP_"),
                "type": kind,
                "is_deleted": False,
                "details": details,
            }
            self.recipients[made["recipient_code"]] = made
            return made

    def recipient(self, name: str) -> Json:
        """Look a recipient up by code or number."""
        for code, row in list(self.recipients.items()):
            if name in {code, str(row["id"])}:
                return row
        raise not_found("Recipient")

    def delete_recipient(self, name: str) -> None:
        """Make a recipient unusable; it can still be read."""
        with self._books.lock:
            self.recipient(name).update(is_deleted=True, active=False)

    def payable(self, code: str) -> Json:
        """The recipient of a transfer."""
        found = self.recipients.get(code)
        if found is None or found["is_deleted"]:
            raise invalid("Recipient specified is invalid", "invalid_recipient")
        return found

    def create_subaccount(self, fields: Mapping[str, Any]) -> Json:
        """Make a receiver of shares."""
        with self._books.lock:
            made: Json = {
                "id": self._books.new_number(),
                "integration": INTEGRATION,
                "domain": DOMAIN,
                "subaccount_code": self._books.new_code("ACCT_"),
                "business_name": _text(fields, "business_name"),
                "account_number": _text(fields, "account_number"),
                "settlement_bank": str(fields.get("bank_code") or _text(fields, "settlement_bank")),
                "percentage_charge": fields.get("percentage_charge", 0),
                "currency": currency_of(fields),
                "metadata": fields.get("metadata"),
                "is_verified": False,
                "active": True,
                "createdAt": stamp(self._books.now()),
            }
            self._books.subaccounts[made["subaccount_code"]] = made
            return made

    def subaccount(self, name: str) -> Json:
        """Look a subaccount up by code or number."""
        for code, row in list(self._books.subaccounts.items()):
            if name in {code, str(row["id"])}:
                return row
        raise not_found("Subaccount")

    def update_subaccount(self, name: str, fields: Mapping[str, Any]) -> Json:
        """Change a subaccount, for instance switch it off."""
        with self._books.lock:
            found = self.subaccount(name)
            found.update({key: value for key, value in fields.items() if key in found})
            return found

    def create_split(self, fields: Mapping[str, Any]) -> Json:
        """Keep a split under a code."""
        rows = fields.get("subaccounts")
        if fields.get("type") not in {"flat", "percentage"} or not isinstance(rows, list):
            raise invalid("type and subaccounts are required")
        with self._books.lock:
            made: Json = {
                "id": self._books.new_number(),
                "name": _text(fields, "name"),
                "type": fields["type"],
                "currency": currency_of(fields),
                "integration": INTEGRATION,
                "domain": DOMAIN,
                "split_code": self._books.new_code("SPL_"),
                "active": True,
                "bearer_type": fields.get("bearer_type", "all"),
                "createdAt": stamp(self._books.now()),
                "subaccounts": [
                    {"subaccount": self.subaccount(str(row["subaccount"])), "share": row["share"]}
                    for row in rows
                ],
                "total_subaccounts": len(rows),
            }
            self._books.splits[made["split_code"]] = made
            return made

    def split(self, name: str) -> Json:
        """Look a split up by code or number."""
        for code, row in list(self._books.splits.items()):
            if name in {code, str(row["id"])}:
                return row
        raise not_found("Split")


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is required")
    return value
