"""Customers, connected accounts and their onboarding at the fake Stripe."""

from typing import Final

from stack.fakes.stripe.books import AccountState, Books
from stack.fakes.stripe.forms import Fields
from stack.fakes.stripe.words import Json, invalid

LINK_LIFE_S = 300
_COUNTRIES: Final = {"BR": "brl", "US": "usd", "GB": "gbp", "ZA": "zar", "MX": "mxn", "CA": "cad"}
_ASKED: Final = ["business_profile.url", "external_account", "tos_acceptance.date"]
CREATE_CUSTOMER = ("address", "description", "email", "metadata", "name", "phone")
CREATE_LINK = ("account", "collection_options", "refresh_url", "return_url", "type")
CREATE_ACCOUNT = (
    "business_profile",
    "business_type",
    "capabilities",
    "company",
    "controller",
    "country",
    "default_currency",
    "email",
    "individual",
    "metadata",
    "settings",
    "tos_acceptance",
    "type",
)


def create_customer(books: Books, fields: Fields) -> Json:
    """Make a customer."""
    fields.allow(*CREATE_CUSTOMER)
    customer: Json = {
        "id": books.new_id("cus"),
        "object": "customer",
        "created": books.timestamp(),
        "description": fields.text("description"),
        "email": fields.text("email"),
        "livemode": False,
        "metadata": fields.metadata(),
        "name": fields.text("name"),
        "phone": fields.text("phone"),
    }
    books.keep("customer", customer)
    books.emit("customer.created", customer)
    return customer


def create_account(books: Books, fields: Fields) -> Json:
    """Make a connected account; nobody has told anything about it yet."""
    fields.allow(*CREATE_ACCOUNT)
    country = fields.text("country") or "US"
    if len(country) != len("BR") or not country.isupper():
        raise invalid(
            f"Country '{country}' is unknown.", param="country", code="country_unsupported"
        )
    kind = fields.one_of("type", ("custom", "express", "standard")) or "standard"
    profile, asked = fields.child("business_profile"), fields.child("capabilities")
    capabilities = {}
    for name in asked.values if asked is not None else ():
        one = asked.child(name) if asked is not None else None
        if one is not None and one.flag("requested"):
            capabilities[name] = "inactive"
    account: Json = {
        "id": books.new_id("acct"),
        "object": "account",
        "business_profile": {"name": None if profile is None else profile.text("name")},
        "business_type": fields.text("business_type"),
        "capabilities": capabilities,
        "charges_enabled": False,
        "country": country,
        "created": books.timestamp(),
        "default_currency": _COUNTRIES.get(country, "eur"),
        "details_submitted": False,
        "email": fields.text("email"),
        "metadata": fields.metadata(),
        "payouts_enabled": False,
        "requirements": _requirements(currently_due=_ASKED, disabled="requirements.past_due"),
        "type": kind,
    }
    books.keep("account", account)
    if books.new_accounts != "new":
        move_account(books, account["id"], books.new_accounts)
    return account


def move_account(books: Books, identifier: str, state: AccountState) -> Json:
    """What the receiver told and what Stripe made of it."""
    account = books.get("account", identifier)
    is_active = state == "active"
    account.update(
        details_submitted=state != "new",
        charges_enabled=is_active,
        payouts_enabled=is_active,
        capabilities=dict.fromkeys(account["capabilities"], "active" if is_active else "inactive"),
        requirements=_requirements_in(state),
    )
    books.emit("account.updated", account, account=account["id"])
    return account


def create_link(books: Books, fields: Fields, *, site: str) -> Json:
    """Make a page for onboarding that can be opened once, soon."""
    fields.allow(*CREATE_LINK)
    account = books.get("account", fields.required("account"), param="account")
    if fields.one_of("type", ("account_onboarding", "account_update")) is None:
        raise invalid("Missing required param: type.", param="type", code="parameter_missing")
    for name in ("refresh_url", "return_url"):
        if not fields.required(name).startswith(("http://", "https://")):
            raise invalid("Not a valid URL", param=name, code="url_invalid")
    return {
        "object": "account_link",
        "created": books.timestamp(),
        "expires_at": books.timestamp() + LINK_LIFE_S,
        "url": f"{site}/setup/e/{account['id']}/{books.new_id('x')[2:]}",
    }


def balance(books: Books) -> Json:
    """What the platform holds."""
    amounts = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(books.balance.items())
    ]
    pending = [{**row, "amount": 0, "source_types": {"card": 0}} for row in amounts]
    return {"object": "balance", "available": amounts, "livemode": False, "pending": pending}


def _requirements_in(state: AccountState) -> Json:
    match state:
        case "new":
            return _requirements(currently_due=_ASKED, disabled="requirements.past_due")
        case "pending":
            verified = ["individual.verification.document"]
            return _requirements(pending=verified, disabled="requirements.pending_verification")
        case "active":
            return _requirements()
        case "restricted":
            return _requirements(currently_due=_ASKED[1:2], disabled="requirements.past_due")
        case "rejected":
            return _requirements(disabled="rejected.fraud")


def _requirements(
    *,
    currently_due: list[str] | None = None,
    pending: list[str] | None = None,
    disabled: str | None = None,
) -> Json:
    due = list(currently_due or ())
    return {
        "currently_due": due,
        "disabled_reason": disabled,
        "errors": [],
        "eventually_due": due,
        "past_due": due,
        "pending_verification": list(pending or ()),
    }
