"""What every gateway that pays receivers must do, run against each gateway's fake."""

import uuid
from contextlib import suppress
from dataclasses import replace

import pytest

from offchain.gateways.errors import OutcomeUnknown
from offchain.gateways.types import NewTransfer, PayoutGateway
from offchain.money import MinorUnits
from tests.support.gateway_sites import GatewaySite


def test_account_is_opened_once_and_can_be_read(site: GatewaySite, gateway: PayoutGateway) -> None:
    new = site.new_account()
    opened = gateway.open_account(new)
    assert gateway.open_account(new).account_id == opened.account_id
    seen = gateway.read_account(opened.account_id)
    assert seen is not None
    assert (seen.account_id, seen.state) == (opened.account_id, "active")


def new_transfer(site: GatewaySite, gateway: PayoutGateway) -> NewTransfer:
    account = gateway.open_account(site.new_account())
    amount = replace(site.new_payment().amount, minor=MinorUnits(5000))
    return NewTransfer(uuid.uuid4(), amount, account.account_id, memo="July")


@pytest.mark.parametrize(("succeeds", "state"), [(True, "succeeded"), (False, "failed")])
def test_transfer_ends_as_the_gateway_says(
    site: GatewaySite, gateway: PayoutGateway, *, succeeds: bool, state: str
) -> None:
    new = new_transfer(site, gateway)
    begun = gateway.transfer(new)
    assert (begun.transfer_id, begun.minor) == (new.transfer_id, new.amount.minor)
    assert begun.currency == new.amount.currency
    site.settle_transfer(begun.provider_transfer_id, succeeds=succeeds)
    seen = gateway.read_transfer(begun.provider_transfer_id)
    assert seen is not None
    assert (seen.provider_transfer_id, seen.state) == (begun.provider_transfer_id, state)


def test_transfer_is_the_same_one_when_it_is_repeated_or_its_reply_was_lost(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    new = new_transfer(site, gateway)
    site.fault("transfer", "reset_after")
    with suppress(OutcomeUnknown):
        gateway.transfer(new)
    ids = {site.adapter().transfer(new).provider_transfer_id for _ in range(2)}
    assert len(ids) == 1


def test_transfer_and_account_are_none_when_they_are_unknown(gateway: PayoutGateway) -> None:
    assert gateway.read_account(str(uuid.uuid4())) is None
    assert gateway.read_transfer(str(uuid.uuid4())) is None
