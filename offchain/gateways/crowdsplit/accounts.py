"""Receivers: a customer, its registration as a sub-account at PagarMe, and its PIX key.

Every step looks first, so that opening an account again goes on where an earlier try stopped.
"""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from offchain.gateways.crowdsplit.api import Api, data_of, refusal, rows_of
from offchain.gateways.crowdsplit.payouts import account_path
from offchain.gateways.crowdsplit.token import NAME
from offchain.gateways.crowdsplit.wire import PROVIDER, path_id, values
from offchain.gateways.errors import GatewayUnavailable, OutcomeUnknown
from offchain.gateways.reading import mapping, word
from offchain.gateways.types import AccountSeen, AccountState, NewAccount

PIX_KEY: Final = "pix_key"
"""The word of ``NewAccount.payout`` for the PIX key that money goes on to."""
_CPF_LENGTH = 11
_STATES: dict[str, AccountState] = {
    "approved": "active",
    "restricted": "restricted",
    "error": "restricted",
    "rejected": "rejected",
    "cancelled": "rejected",
    "canceled": "rejected",
}
"""Every other status is on its way."""
_LINKS = ("onboarding_url", "kyc_link", "callback_url", "url")


def open_account(api: Api, new: NewAccount) -> AccountSeen:
    """Make a receiver known, or go on with the one made before."""
    account_id = _known(api, new) or _create(api, new)
    if _registration(api, account_id) is None:
        path = f"/provider-registration/{account_id}/submit"
        _require(api, path, registration_body(new), key=f"registration:{new.account_ref}")
    pix_key = new.payout.get(PIX_KEY)
    if pix_key is not None and not _has_pix_key(api, account_id, pix_key):
        path = f"/customers/{account_id}/payment_methods"
        body = {"type": "pix", "pix_string": pix_key}
        _require(api, path, body, key=f"pix:{new.account_ref}")
    seen = read_account(api, account_id)
    if seen is None:
        raise GatewayUnavailable(f"{NAME} does not show the account it has just made")
    return seen


def read_account(api: Api, account_id: str) -> AccountSeen | None:
    """Ask how far a receiver is; None when it is unknown."""
    identifier = path_id(account_id)
    if identifier is None or api.read(f"/customers/{identifier}") is None:
        return None
    found = _registration(api, identifier) or {}
    state = _STATES.get(word(found.get("status")), "pending")
    link = None if state in {"active", "rejected"} else _link(found)
    return AccountSeen(identifier, state, link)


def account_body(new: NewAccount) -> dict[str, Any]:
    """The body of ``POST /customers``."""
    body: dict[str, Any] = {
        "email": new.email,
        **document_of(new.document),
        "country_code": new.country,
    }
    if len(new.document) != _CPF_LENGTH:
        return {**body, "company_name": new.name}
    first, _, last = new.name.partition(" ")
    return {**body, "first_name": first, "last_name": last}


def document_of(document: str) -> dict[str, str]:
    """A CPF or CNPJ as a customer has it."""
    kind = "personal_tax_id" if len(document) == _CPF_LENGTH else "company_tax_id"
    return {"document_number": document, "document_type": kind}


def registration_body(new: NewAccount) -> dict[str, Any]:
    """The body of ``POST /provider-registration/{customer}/submit``."""
    is_person = len(new.document) == _CPF_LENGTH
    data = {
        "account_type": "individual" if is_person else "company",
        "transfers_requested": True,
    }
    return {"provider": PROVIDER, "target_role": "subaccount", "provider_data": data}


def _known(api: Api, new: NewAccount) -> str | None:
    """The customer with this address and document, should it exist."""
    for row in api.rows("/customers", "customer_list", {"email": new.email}):
        if row.get("document_number") == new.document and row.get("email") == new.email:
            return _customer_id(row)
    return None


def _create(api: Api, new: NewAccount) -> str:
    reply = api.post("/customers", account_body(new), key=f"account:{new.account_ref}")
    if reply.status == httpx.codes.CONFLICT:
        found = _known(api, new)
        if found is None:
            raise OutcomeUnknown(f"{NAME} has this key but lists no customer of it yet")
        return found
    found = _customer_id(data_of(reply))
    if found is None:
        raise OutcomeUnknown(f"{NAME} made a customer but its reply names none")
    return found


def _customer_id(row: Mapping[str, Any]) -> str | None:
    found = row.get("id") or row.get("customer_id")
    return path_id(found) if isinstance(found, str) else None


def _registration(api: Api, account_id: str) -> Mapping[str, Any] | None:
    """How its registration as a sub-account stands; None when it was never submitted."""
    reply = api.get(f"/provider-registration/{account_path(account_id)}/status")
    if reply.status == httpx.codes.NOT_FOUND:
        return None
    rows = rows_of(reply, "registration_list") or [data_of(reply)]
    for row in rows:
        is_ours = word(row.get("provider")) == PROVIDER
        if is_ours and word(row.get("target_role")) in {"subaccount", ""}:
            return None if word(row.get("status")) == "not_submitted" else row
    return None


def _has_pix_key(api: Api, account_id: str, pix_key: str) -> bool:
    reply = api.get(f"/customers/{account_id}/payment_methods", {"type": "pix"})
    if reply.status == httpx.codes.NOT_FOUND:
        return False
    return any(row.get("pix_string") == pix_key for row in rows_of(reply, "payment_method_list"))


def _require(api: Api, path: str, body: Mapping[str, Any], *, key: str) -> None:
    """Write a step; a conflict means that an earlier try did it."""
    reply = api.post(path, body, key=key)
    if not reply.is_success and reply.status != httpx.codes.CONFLICT:
        raise refusal(reply)


def _link(registration: Mapping[str, Any]) -> str | None:
    """Where the receiver completes it, wherever the provider's answer shows it."""
    places = (registration.get("action_required"), registration.get("provider_response"))
    for place in places:
        for name in _LINKS:
            for value in values(mapping(place), name):
                if isinstance(value, str) and value.startswith(("https://", "http://")):
                    return value
    return None
