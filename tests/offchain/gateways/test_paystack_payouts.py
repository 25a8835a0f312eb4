import uuid
from typing import Any

import pytest

from offchain.gateways.errors import GatewayRefused, OutcomeUnknown
from offchain.gateways.paystack.payouts import (
    OTP_MEMO,
    account_path,
    read_account,
    read_transfer,
    recipient_body,
    transfer_body,
)
from offchain.gateways.types import NewTransfer, TransferSeen
from stack.fakes.paystack.transfers import OTP
from tests.support.paystack import NAIRA, PaystackSite, new_account

TRANSFER = uuid.UUID("5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10")


def test_recipient_body_sends_the_bank_account_and_nothing_personal_besides() -> None:
    new = new_account(payout={"account_number": "0123456789", "bank_code": "057", "pix_key": "x"})
    assert recipient_body(new) == {
        "type": "nuban",
        "name": "Ada Obi",
        "account_number": "0123456789",
        "bank_code": "057",
        "metadata": {"lastro_account_ref": str(new.account_ref)},
    }


def test_recipient_body_takes_the_type_and_currency_of_the_payout() -> None:
    body = recipient_body(new_account(payout={"type": "ghipss", "currency": "ghs"}))
    assert (body["type"], body["currency"]) == ("ghipss", "GHS")


@pytest.mark.parametrize(
    ("account_id", "path"),
    [
        ("RCP_2x5j67tnnw1t98k", "/transferrecipient/RCP_2x5j67tnnw1t98k"),
        ("ACCT_4hl4xenwpjy5wb", "/subaccount/ACCT_4hl4xenwpjy5wb"),
        ("RCP_../x", None),
        ("acct_1", None),
        ("", None),
    ],
)
def test_account_path_is_where_it_is_read(account_id: str, path: str | None) -> None:
    assert account_path(account_id) == path


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"active": True}, "active"),
        ({"active": 1}, "active"),
        ({"active": False}, "restricted"),
        ({}, "restricted"),
        ({"active": True, "is_deleted": True}, "rejected"),
    ],
)
def test_read_account_translates_when_it_is(fields: dict[str, Any], state: str) -> None:
    account = read_account({"recipient_code": "RCP_1", **fields})
    assert account is not None
    assert (account.account_id, account.state) == ("RCP_1", state)


def test_read_account_is_none_when_it_has_no_code() -> None:
    assert read_account({"active": True}) is None


@pytest.mark.parametrize(
    ("status", "state", "memo"),
    [
        ("pending", "pending", ""),
        ("received", "pending", ""),
        ("processing", "pending", ""),
        ("surprising", "pending", ""),
        ("otp", "pending", OTP_MEMO),
        ("success", "succeeded", ""),
        ("failed", "failed", ""),
        ("reversed", "failed", ""),
        ("abandoned", "failed", ""),
        ("blocked", "failed", ""),
        ("rejected", "failed", ""),
    ],
)
def test_read_transfer_translates_when_the_status_is(status: str, state: str, memo: str) -> None:
    data = {"reference": str(TRANSFER), "amount": 100, "currency": "NGN", "status": status}
    transfer = read_transfer(data)
    assert transfer is not None
    assert (transfer.state, transfer.memo) == (state, memo)
    assert (transfer.transfer_id, transfer.minor, transfer.currency) == (TRANSFER, 100, "ngn")


@pytest.mark.parametrize("fields", [{"reference": "short"}, {"reference": None}, {"amount": None}])
def test_read_transfer_is_none_when_it_lacks(fields: dict[str, Any]) -> None:
    assert read_transfer({"reference": str(TRANSFER), "amount": 1, **fields}) is None


def test_transfer_body_has_our_reference_and_no_reason_when_there_is_no_memo() -> None:
    new = NewTransfer(transfer_id=TRANSFER, amount=NAIRA, account_id="RCP_1")
    assert transfer_body(new) == {
        "source": "balance",
        "amount": 500_000,
        "currency": "NGN",
        "recipient": "RCP_1",
        "reference": str(TRANSFER),
    }


def transfer_to(account_id: str) -> NewTransfer:
    return NewTransfer(uuid.uuid4(), NAIRA, account_id, memo="Payout of a campaign")


def test_open_account_gives_the_same_recipient_when_it_is_repeated(paystack: PaystackSite) -> None:
    new = paystack.new_account()
    accounts = [paystack.adapter().open_account(new) for _ in range(2)]
    assert accounts[0] == accounts[1]
    assert paystack.adapter().read_account(accounts[0].account_id) == accounts[0]


def test_open_account_is_refused_when_the_bank_account_is_missing(paystack: PaystackSite) -> None:
    with pytest.raises(GatewayRefused):
        paystack.adapter().open_account(paystack.new_account(payout={}))


def test_read_account_tells_when_a_recipient_was_deleted(paystack: PaystackSite) -> None:
    account = paystack.adapter().open_account(paystack.new_account())
    paystack.api("DELETE", f"/transferrecipient/{account.account_id}")
    seen = paystack.adapter().read_account(account.account_id)
    assert seen is not None
    assert seen.state == "rejected"


def test_read_account_reads_subaccounts_too(paystack: PaystackSite) -> None:
    code = paystack.subaccount("Creator")
    seen = paystack.adapter().read_account(code)
    assert seen is not None
    assert (seen.account_id, seen.state) == (code, "active")
    assert paystack.adapter().read_account("ACCT_unknown") is None


def test_transfer_moves_money_once_when_its_first_reply_was_lost(paystack: PaystackSite) -> None:
    account = paystack.adapter().open_account(paystack.new_account())
    new = transfer_to(account.account_id)
    paystack.fault("transfer", "reset_after")
    made = paystack.adapter().transfer(new)
    expected = TransferSeen(
        str(new.transfer_id), new.transfer_id, "pending", NAIRA.minor, NAIRA.currency
    )
    assert made == expected
    references = [row["reference"] for row in paystack.api("GET", "/transfer?perPage=100")]
    assert references.count(str(new.transfer_id)) == 1


def test_transfer_is_found_when_the_balance_lacks_what_its_lost_try_moved(
    paystack: PaystackSite,
) -> None:
    account = paystack.adapter().open_account(paystack.new_account())
    new = transfer_to(account.account_id)
    (before,) = [r["balance"] for r in paystack.api("GET", "/balance") if r["currency"] == "NGN"]
    paystack.control("/balance", currency="NGN", minor=NAIRA.minor)
    paystack.fault("transfer", "reset_after")
    try:
        assert paystack.adapter().transfer(new).transfer_id == new.transfer_id
        with pytest.raises(GatewayRefused) as refused:
            paystack.adapter().transfer(transfer_to(account.account_id))
        assert refused.value.code == "insufficient_balance"
    finally:
        paystack.control("/balance", currency="NGN", minor=before)


def test_transfer_is_unknown_when_it_is_refused_and_cannot_be_looked_up(
    paystack: PaystackSite,
) -> None:
    new = transfer_to("RCP_unknown")
    verify = f"/transfer/verify/{new.transfer_id}"
    paystack.control("/faults", path=verify, mode="status", status=500, times=3)
    with pytest.raises(OutcomeUnknown):
        paystack.adapter().transfer(new)


def test_transfer_is_unknown_when_its_reference_is_taken_but_cannot_be_read(
    paystack: PaystackSite,
) -> None:
    account = paystack.adapter().open_account(paystack.new_account())
    new = transfer_to(account.account_id)
    paystack.adapter().transfer(new)
    verify = f"/transfer/verify/{new.transfer_id}"
    paystack.control("/faults", path=verify, mode="status", status=500, times=3)
    with pytest.raises(OutcomeUnknown):
        paystack.adapter().transfer(new)


def test_transfer_is_refused_when_the_recipient_is_unknown(paystack: PaystackSite) -> None:
    with pytest.raises(GatewayRefused):
        paystack.adapter().transfer(transfer_to("RCP_unknown"))


def test_transfer_waits_and_says_for_what_when_paystack_wants_a_code(
    paystack: PaystackSite,
) -> None:
    account = paystack.adapter().open_account(paystack.new_account())
    paystack.control("/otp", required=True)
    made = paystack.adapter().transfer(transfer_to(account.account_id))
    assert (made.state, made.memo) == ("pending", OTP_MEMO)
    code = paystack.api("GET", f"/transfer/verify/{made.provider_transfer_id}")["transfer_code"]
    paystack.api("POST", "/transfer/finalize_transfer", transfer_code=code, otp=OTP)
    seen = paystack.adapter().read_transfer(made.provider_transfer_id)
    assert seen is not None
    assert (seen.state, seen.memo) == ("pending", "")


def test_transfer_fails_when_a_success_is_reversed(paystack: PaystackSite) -> None:
    account = paystack.adapter().open_account(paystack.new_account())
    made = paystack.adapter().transfer(transfer_to(account.account_id))
    states = []
    for status in ("success", "reversed"):
        paystack.control(f"/transfers/{made.provider_transfer_id}/settle", status=status)
        seen = paystack.adapter().read_transfer(made.provider_transfer_id)
        assert seen is not None
        states.append(seen.state)
    assert states == ["succeeded", "failed"]
