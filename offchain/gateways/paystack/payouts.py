"""Receivers and transfers at Paystack: pure.

A transfer goes to a transfer recipient (``RCP_…``), so that is what an account is here. A share of
a split charge goes to a subaccount (``ACCT_…``), which is made at Paystack, in its dashboard or by
its API, and named in the split; both kinds can be read.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from offchain.gateways.paystack.wire import own_uuid, read_minor, word
from offchain.gateways.types import (
    AccountSeen,
    AccountState,
    NewAccount,
    NewTransfer,
    TransferSeen,
    TransferState,
)

OTP_MEMO: Final = (
    "Paystack waits for the one-time code it sent to the account's owner: finalize the transfer in "
    "its dashboard, or switch the confirmation of transfers off there (Settings, Preferences)"
)
_ACCOUNT = re.compile(r"(RCP|ACCT)_[A-Za-z0-9]{1,60}", re.ASCII)
_ACCOUNT_PATHS: Final[Mapping[str, str]] = {"RCP": "/transferrecipient", "ACCT": "/subaccount"}
_PAYOUT_FIELDS: Final = ("type", "account_number", "bank_code", "currency", "authorization_code")
_TRANSFER_REFERENCE = re.compile(r"[a-z0-9_-]{16,50}", re.ASCII)
_TRANSFER_STATES: Final[Mapping[str, TransferState]] = {
    "success": "succeeded",
    "failed": "failed",
    "reversed": "failed",
    "abandoned": "failed",
    "blocked": "failed",
    "rejected": "failed",
}
"""Every other word (pending, otp, received, processing, queued) means that it is under way."""


def account_path(account_id: str) -> str | None:
    """Where an account is read; None when it is no account's code."""
    match = _ACCOUNT.fullmatch(account_id)
    return f"{_ACCOUNT_PATHS[match.group(1)]}/{account_id}" if match else None


def recipient_body(new: NewAccount) -> dict[str, Any]:
    """The body of ``POST /transferrecipient``.

    ``payout`` holds Paystack's own fields: ``type`` (default ``nuban``), ``account_number``,
    ``bank_code``, ``currency``. The receiver's document and address are not sent: Paystack needs
    neither.
    """
    body: dict[str, Any] = {
        "type": "nuban",
        "name": new.name,
        "metadata": {"lastro_account_ref": str(new.account_ref)},
    }
    for name in _PAYOUT_FIELDS:
        if name in new.payout:
            body[name] = new.payout[name]
    if "currency" in body:
        body["currency"] = body["currency"].upper()
    return body


def read_account(data: Mapping[str, Any]) -> AccountSeen | None:
    """Read a transfer recipient or a subaccount; None when it is neither."""
    code = data.get("recipient_code") or data.get("subaccount_code")
    if not isinstance(code, str) or account_path(code) is None:
        return None
    return AccountSeen(code, _account_state(data))


def _account_state(data: Mapping[str, Any]) -> AccountState:
    if data.get("is_deleted") or data.get("isDeleted"):
        return "rejected"
    return "active" if data.get("active") == 1 else "restricted"


def is_transfer_reference(text: str) -> bool:
    """Whether a text can be a transfer's reference, and nothing else in a path."""
    return _TRANSFER_REFERENCE.fullmatch(text) is not None


def transfer_body(new: NewTransfer) -> dict[str, Any]:
    """The body of ``POST /transfer``; the reference is the same on every try."""
    body: dict[str, Any] = {
        "source": "balance",
        "amount": new.amount.minor,
        "currency": new.amount.currency.upper(),
        "recipient": new.account_id,
        "reference": str(new.transfer_id),
    }
    if new.memo:
        body["reason"] = new.memo
    return body


def read_transfer(data: Mapping[str, Any]) -> TransferSeen | None:
    """Read a transfer; None when it is not one.

    Raises:
        GatewayUnavailable: It is one, but holds what no transfer can.
    """
    reference, amount = data.get("reference"), read_minor(data.get("amount"))
    if not isinstance(reference, str) or not is_transfer_reference(reference) or amount is None:
        return None
    status = word(data.get("status"))
    return TransferSeen(
        provider_transfer_id=reference,
        transfer_id=own_uuid(reference),
        state=_TRANSFER_STATES.get(status, "pending"),
        minor=amount,
        currency=word(data.get("currency")),
        memo=OTP_MEMO if status == "otp" else "",
    )
