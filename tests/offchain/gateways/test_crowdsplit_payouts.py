"""Receivers at CrowdSplit and transfers to them, over real HTTP."""

import uuid
from collections.abc import Iterator

import pytest

from offchain.gateways.crowdsplit.accounts import account_body
from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.crowdsplit.payouts import TRANSFER_CAP_MINOR, TransferAboveCap
from offchain.gateways.errors import GatewayRefused, OutcomeUnknown
from offchain.gateways.types import NewTransfer
from offchain.money import Currency, MinorUnits, Money
from tests.support.crowdsplit import FakeCrowdSplit, new_account


@pytest.fixture
def gateway(crowdsplit: FakeCrowdSplit) -> CrowdSplit:
    return crowdsplit.adapter()


@pytest.fixture
def gen2(crowdsplit: FakeCrowdSplit) -> Iterator[CrowdSplit]:
    crowdsplit.control("/switches", dialect="gen2")
    yield crowdsplit.adapter(dialect="gen2")
    crowdsplit.calm()


def new_transfer(account_id: str, minor: int = 5000) -> NewTransfer:
    return NewTransfer(uuid.uuid4(), Money(MinorUnits(minor), Currency("brl")), account_id)


def transfers(crowdsplit: FakeCrowdSplit) -> int:
    return len(crowdsplit.calls("POST", "/transfer"))


def test_account_waits_with_a_link_until_the_provider_approves(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    crowdsplit.control("/switches", registrations="manual")
    opened = gateway.open_account(new_account())
    assert opened.state == "pending"
    assert opened.onboarding_url is not None
    for status, state in (
        ("PROCESSING", "pending"),
        ("RESTRICTED", "restricted"),
        ("REJECTED", "rejected"),
        ("APPROVED", "active"),
    ):
        crowdsplit.control(f"/customers/{opened.account_id}/registration", status=status)
        seen = gateway.read_account(opened.account_id)
        assert seen is not None
        assert (seen.state, seen.onboarding_url) == (state, None)


@pytest.mark.parametrize("lost", ["/customers", "/provider-registration/", "/customers/"])
def test_account_is_opened_once_when_a_reply_is_lost(
    crowdsplit: FakeCrowdSplit, gen2: CrowdSplit, lost: str
) -> None:
    new = new_account()
    crowdsplit.fault(lost, "reset_after", method="POST")
    with pytest.raises(OutcomeUnknown):
        gen2.open_account(new)
    opened = gen2.open_account(new)
    assert opened.state == "active"
    customers = gen2._api.rows("/customers", "customer_list", {"email": new.email})
    methods = gen2._api.get(f"/customers/{opened.account_id}/payment_methods")
    assert len(list(customers)) == 1
    assert str(methods.body).count("pix_string") == 1
    submitted = f"/provider-registration/{opened.account_id}/submit"
    assert len(crowdsplit.calls("POST", submitted)) == 1


def test_account_is_another_one_when_only_the_address_is_the_same(gateway: CrowdSplit) -> None:
    person = new_account()
    company = new_account(email=person.email, document="12ABC34501DE35", payout={})
    ids = {gateway.open_account(new).account_id for new in (person, company)}
    assert len(ids) == 2


def test_account_is_refused_when_its_pix_key_is_none(gateway: CrowdSplit) -> None:
    with pytest.raises(GatewayRefused):
        gateway.open_account(new_account(payout={"pix_key": "not a key"}))


def test_account_body_names_a_person_or_a_company_by_the_documents_length() -> None:
    person = account_body(new_account())
    assert (person["document_type"], person["first_name"], person["last_name"]) == (
        "personal_tax_id",
        "Ana",
        "Souza",
    )
    company = account_body(new_account(document="12ABC34501DE35", name="Estúdio Lua Ltda"))
    assert (company["document_type"], company["company_name"]) == (
        "company_tax_id",
        "Estúdio Lua Ltda",
    )


def test_transfer_goes_to_the_receivers_pix_key(gateway: CrowdSplit) -> None:
    account = gateway.open_account(new_account())
    made = gateway.transfer(new_transfer(account.account_id))
    reply = gateway._api.get(f"/transactions/{made.provider_transfer_id}")
    assert '"type": "pix"' in str(reply.body).replace("'", '"')
    assert account.account_id in str(reply.body)


def test_transfer_above_the_cap_is_refused_before_it_is_sent(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    account = gateway.open_account(new_account())
    before = transfers(crowdsplit)
    with pytest.raises(TransferAboveCap, match="1000000"):
        gateway.transfer(new_transfer(account.account_id, TRANSFER_CAP_MINOR + 1))
    assert transfers(crowdsplit) == before
    assert gateway.transfer(new_transfer(account.account_id, TRANSFER_CAP_MINOR)).minor == 1_000_000


def test_transfer_is_refused_by_the_gateway_when_our_cap_is_set_too_high(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    account = gateway.open_account(new_account())
    generous = crowdsplit.adapter(transfer_cap_minor=TRANSFER_CAP_MINOR * 2)
    with pytest.raises(GatewayRefused) as refused:
        generous.transfer(new_transfer(account.account_id, TRANSFER_CAP_MINOR + 1))
    assert refused.value.status == 422


def test_transfer_is_unknown_when_its_key_is_taken_but_none_is_listed_yet(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    account = gateway.open_account(new_account())
    crowdsplit.fault("/transfer", "status", method="POST", status=409)
    with pytest.raises(OutcomeUnknown):
        gateway.transfer(new_transfer(account.account_id))


def test_transfer_is_made_once_when_a_reply_is_lost_although_gen2_keeps_no_keys(
    crowdsplit: FakeCrowdSplit, gen2: CrowdSplit
) -> None:
    account = gen2.open_account(new_account())
    new, before = new_transfer(account.account_id), transfers(crowdsplit)
    crowdsplit.fault("/transfer", "reset_after", method="POST")
    with pytest.raises(OutcomeUnknown):
        gen2.transfer(new)
    assert gen2.transfer(new).transfer_id == new.transfer_id
    assert transfers(crowdsplit) == before + 1


def test_transfer_is_refused_when_the_receiver_is_none_of_the_gateways(gateway: CrowdSplit) -> None:
    with pytest.raises(GatewayRefused):
        gateway.transfer(new_transfer("../x"))
