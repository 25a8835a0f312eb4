"""Money out of the merchant's account to a receiver's PIX key.

The gateway takes at most so much in one transfer; who pays out more splits it before, so that each
part has its own name, its own row and its own fate.
"""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from indexer.errors import PermanentError
from offchain.gateways.crowdsplit.api import Api, data_of, made_before, refusal, rows_of
from offchain.gateways.crowdsplit.changes import CLOCK_SKEW, LIST_PAGES_MAX, created
from offchain.gateways.crowdsplit.token import NAME
from offchain.gateways.crowdsplit.wire import PROVIDER, TAKEN_BACK, bare_id, path_id
from offchain.gateways.errors import GatewayRefused, OutcomeUnknown
from offchain.gateways.reading import integer, mapping, own_uuid, word
from offchain.gateways.types import NewTransfer, TransferSeen, TransferState

TRANSFER_CAP_MINOR: Final = 1_000_000
"""R$10,000.00."""
METADATA_TRANSFER: Final = "lastro_transfer_id"
_STATES: dict[str, TransferState] = {
    "succeeded": "succeeded",
    "captured": "succeeded",
    "failed": "failed",
    "canceled": "failed",
    "cancelled": "failed",
    TAKEN_BACK: "failed",
}
"""Every other status is on its way."""


class TransferAboveCap(PermanentError):  # noqa: N818 - reads as a state
    """More than the gateway takes in one transfer: nothing was sent; split it."""


def transfer(api: Api, new: NewTransfer, *, cap_minor: int) -> TransferSeen:
    """Move money to a receiver, or find the transfer this call made before.

    Raises:
        TransferAboveCap: It is more than ``cap_minor``.
    """
    if new.amount.minor > cap_minor:
        raise TransferAboveCap(
            f"{NAME} takes at most {cap_minor} minor units in one transfer, not {new.amount.minor}:"
            " split it"
        )
    made = None if api.keeps_keys else find_transfer(api, new)
    if made is not None:
        return made
    body = transfer_body(new, pix_method=_pix_method(api, new.account_id))
    reply = api.post("/transfer", body, key=str(new.transfer_id))
    if not reply.is_success:
        return made_before(lambda: find_transfer(api, new), refusal(reply))
    seen = read_transfer(data_of(reply))
    if seen is None:
        raise OutcomeUnknown(f"{NAME} made a transfer but its reply names none")
    return seen


def transfer_body(new: NewTransfer, *, pix_method: str | None) -> dict[str, Any]:
    """The body of ``POST /transfer``."""
    destination: dict[str, Any] = {"customer": {"id": new.account_id}}
    if pix_method is not None:
        destination["payment_method"] = {"id": pix_method, "type": "pix"}
    metadata = {METADATA_TRANSFER: str(new.transfer_id)}
    if new.memo:
        metadata["memo"] = new.memo
    return {
        "provider": PROVIDER,
        "source": {"amount": new.amount.minor, "currency": new.amount.currency},
        "destination": destination,
        "metadata": metadata,
    }


def _pix_method(api: Api, account_id: str) -> str | None:
    """The payment method that stands for the receiver's PIX key."""
    path = f"/customers/{account_path(account_id)}/payment_methods"
    reply = api.get(path, {"type": "pix", "status": "active"})
    if reply.status == httpx.codes.NOT_FOUND:
        return None
    names = (row.get("id") for row in rows_of(reply, "payment_method_list"))
    return next((name for name in names if isinstance(name, str)), None)


def account_path(account_id: str) -> str:
    """An account's id as it may stand in a path.

    Raises:
        GatewayRefused: It is none of theirs.
    """
    found = path_id(account_id)
    if found is None:
        raise GatewayRefused(NAME, httpx.codes.NOT_FOUND, "not_found")
    return found


def find_transfer(api: Api, new: NewTransfer) -> TransferSeen | None:
    """Look for a transfer by our name of it; metadata cannot be filtered on."""
    query = {"type_list": "transfer"}
    if new.created_at is not None:
        query |= created(api, new.created_at - CLOCK_SKEW)
    for row in api.rows("/transactions", "transaction_list", query, pages_max=LIST_PAGES_MAX):
        if own_uuid(mapping(row.get("metadata")).get(METADATA_TRANSFER)) == new.transfer_id:
            return read_transfer(row)
    return None


def read_transfer(data: Mapping[str, Any]) -> TransferSeen | None:
    """Read a transfer; None when it is none."""
    identifier, source = data.get("id"), mapping(data.get("source"))
    minor = integer(source.get("amount"))
    if word(data.get("type")) != "transfer" or not isinstance(identifier, str) or minor is None:
        return None
    return TransferSeen(
        provider_transfer_id=bare_id(identifier),
        transfer_id=own_uuid(mapping(data.get("metadata")).get(METADATA_TRANSFER)),
        state=_STATES.get(word(data.get("status")), "pending"),
        minor=minor,
        currency=word(source.get("currency")),
    )
