"""Transfers of the fake Stripe to connected accounts, and their reversals."""

from stack.fakes.stripe.books import Books
from stack.fakes.stripe.forms import Fields
from stack.fakes.stripe.words import Json, invalid, missing_param, not_found, wrong_state

CREATE = (
    "amount",
    "currency",
    "description",
    "destination",
    "metadata",
    "source_transaction",
    "transfer_group",
)


def create(books: Books, fields: Fields) -> Json:
    """Move money from the platform's balance to a connected account's, at once."""
    fields.allow(*CREATE)
    amount = fields.integer("amount")
    currency, destination = fields.required("currency").lower(), fields.required("destination")
    if amount is None:
        raise missing_param("amount")
    if amount < 1:
        raise invalid("Invalid positive integer", param="amount")
    account = books.tables.get("account", {}).get(destination)
    if account is None:
        raise not_found("destination", destination, param="destination")
    metadata, source = fields.metadata(), fields.text("source_transaction")
    if source is not None:
        books.get("charge", source, param="source_transaction")
    if account["capabilities"].get("transfers") != "active":
        raise wrong_state(
            "Your destination account needs to have at least one of the following capabilities "
            "enabled: transfers, crypto_transfers, legacy_payments",
            "insufficient_capabilities_for_transfer",
        )
    if books.balance.get(currency, 0) < amount:
        raise wrong_state("You have insufficient available funds.", "balance_insufficient")
    return _make(
        books,
        amount=amount,
        currency=currency,
        destination=destination,
        description=fields.text("description"),
        metadata=metadata,
        source_transaction=source,
        transfer_group=fields.text("transfer_group"),
    )


def split_off(books: Books, charge: Json, destination: str, amount: int) -> Json:
    """Move a receiver's share of a destination charge."""
    return _make(
        books,
        amount=amount,
        currency=charge["currency"],
        destination=destination,
        description=None,
        metadata={},
        source_transaction=charge["id"],
        transfer_group=charge["transfer_group"] or f"group_{charge['payment_intent']}",
    )


def reverse(books: Books, identifier: str, fields: Fields) -> Json:
    """Take a transfer back, all that is left of it or a part."""
    fields.allow("amount", "description", "metadata", "refund_application_fee")
    transfer = books.get("transfer", identifier)
    left = transfer["amount"] - transfer["amount_reversed"]
    wanted = fields.integer("amount")
    amount = left if wanted is None else wanted
    if not 1 <= amount <= left:
        raise wrong_state("That much of the transfer is not left.", "transfer_reversal_too_large")
    return _reverse(books, transfer, amount, fields.metadata())


def reversals(books: Books, identifier: str) -> list[Json]:
    """What was taken back of a transfer, newest first."""
    return list(books.get("transfer", identifier)["reversals"]["data"])


def take_back(books: Books, charge: Json, refunded: int) -> Json:
    """Take back the receiver's part of a refund, in proportion."""
    transfer = books.get("transfer", charge["transfer"])
    left = transfer["amount"] - transfer["amount_reversed"]
    part = transfer["amount"] * refunded // charge["amount_captured"]
    return _reverse(books, transfer, min(part, left), {})


def _reverse(books: Books, transfer: Json, amount: int, metadata: dict[str, str]) -> Json:
    made: Json = {
        "id": books.new_id("trr"),
        "object": "transfer_reversal",
        "amount": amount,
        "created": books.timestamp(),
        "currency": transfer["currency"],
        "metadata": metadata,
        "transfer": transfer["id"],
    }
    transfer["reversals"]["data"].insert(0, made)
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    books.earn(transfer["currency"], amount)
    books.emit("transfer.reversed", transfer)
    return made


def _make(  # noqa: PLR0913 - the members of a transfer
    books: Books,
    *,
    amount: int,
    currency: str,
    destination: str,
    description: str | None,
    metadata: dict[str, str],
    source_transaction: str | None,
    transfer_group: str | None,
) -> Json:
    identifier = books.new_id("tr")
    transfer: Json = {
        "id": identifier,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "created": books.timestamp(),
        "currency": currency,
        "description": description,
        "destination": destination,
        "destination_payment": books.new_id("py"),
        "livemode": False,
        "metadata": metadata,
        "reversals": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/transfers/{identifier}/reversals",
        },
        "reversed": False,
        "source_transaction": source_transaction,
        "source_type": "card",
        "transfer_group": transfer_group,
    }
    books.keep("transfer", transfer)
    books.earn(currency, -amount)
    books.emit("transfer.created", transfer)
    return transfer
