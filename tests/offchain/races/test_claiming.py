"""Races of money going back: refunds and disputes at every moment, and transfers in parts."""

import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.errors import OutcomeUnknown
from offchain.gateways.types import NewTransfer
from offchain.jobs.sweeps.polling import payment_poll
from offchain.jobs.sweeps.refunds import refund_sweep
from offchain.money import Currency, MinorUnits, Money
from settlement.due import is_ready, open_requests
from settlement.switches import stopping
from settlement.tables import requests
from tests.offchain.races.site import Site
from tests.support.claims import (
    Paid,
    ask_back,
    dispute_seen,
    dispute_states,
    observe,
    paid,
    refund_rows,
    refund_seen,
)
from tests.support.crowdsplit import new_account
from tests.support.jobs import budget, later
from tests.support.offchain import CHAIN_ID, CREATOR

PART = Money(MinorUnits(1_000_000), Currency("brl"))
OWED, RECEIVABLE, LOSSES = "owed_to_campaign", "gateway_receivable", "chargeback_losses"


def captured(site: Site) -> tuple[Paid, str]:
    """A payment that the gateway captured and that is queued for the chain."""
    attempt_id, payment = site.waiting()
    site.crowdsplit.pay(payment)
    observe(site.engine, site.read(payment))
    assert site.statuses(attempt_id) == ("captured", "queued", "none")
    return site.paid(attempt_id), payment


def sealable(site: Site) -> list[uuid.UUID]:
    """What settlement would put into its next batch."""
    with site.login.connect() as connection:
        stops = stopping(connection, chain_id=CHAIN_ID, signer=CREATOR)
        ready = open_requests(connection, CHAIN_ID, *is_ready(stops), requests.c.state == "ready")
    return [one.request_id for one in ready]


def test_race_09_a_dispute_while_queued_keeps_the_payment_out_of_the_batch(site: Site) -> None:
    one, payment = captured(site)
    assert sealable(site) == [one.id]
    site.crowdsplit.control(f"/payments/{payment}/dispute", outcome="open")
    assert payment_poll(later(site.runtime, hours=2), budget()) == 1
    assert sealable(site) == []
    assert one.statuses() == ("captured", "held", "disputed")
    assert one.asked_to_undo() == 1
    site.balanced_books()


def test_race_10_claims_after_sealing_leave_the_transaction_alone_and_balance(site: Site) -> None:
    part = paid(site.engine, site.login).batched()
    part.see(refunds=(refund_seen(minor=2000),))
    assert part.statuses() == ("captured", "submitted", "partially_refunded")
    assert part.asked_to_undo() == 0
    assert site.balanced_books()["due_from_creator"] == (2000, 0)
    part.see(refunds=(refund_seen(minor=2000),), disputes=(dispute_seen(minor=3000),))
    assert part.statuses() == ("captured", "submitted", "disputed")
    assert part.asked_to_undo() == 0
    assert site.balanced_books()[LOSSES] == (0, 3000)
    part.see(refunds=(refund_seen("r2", "succeeded", 3000),), disputes=(dispute_seen("won", 3000),))
    assert part.asked_to_undo() == 0, "given back in parts: the chain has no undoing of a part"
    site.balanced_books()


def test_race_16_a_refund_that_fails_after_it_succeeded_is_reversed_and_never_edited(
    site: Site,
) -> None:
    one, payment = captured(site)
    site.crowdsplit.control("/switches", refunds="manual")
    ask_back(site.engine, one.id)
    assert refund_sweep(site.runtime, budget()) == 1
    refund = site.read(payment).refunds[0].provider_refund_id
    site.crowdsplit.control(f"/refunds/{refund}", succeeds=True)
    assert payment_poll(later(site.runtime, hours=2), budget()) == 1
    assert one.statuses()[2] == "refunded"
    site.crowdsplit.control(f"/refunds/{refund}", succeeds=False)
    # The gateway shows it among the payment's refunds, whenever that is read again.
    observe(site.engine, site.read(payment))
    assert one.statuses()[2] == "none"
    assert refund_rows(site.engine, one.id) == [("operator", "failed", 5000)]
    assert site.balanced_books() == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}
    assert [site.journals(source) for source in ("refund", "refund_undone")] == [1, 1]
    assert is_refused(site, "UPDATE offchain.ledger_transfers SET amount = amount + 1")
    assert is_refused(site, "DELETE FROM offchain.ledger_transfers")


def is_refused(site: Site, statement: str) -> bool:
    """Whether even who owns the tables is refused."""
    with site.login.connect() as connection:
        try:
            connection.execute(text(statement))
        except DBAPIError:
            return True
        connection.rollback()
    return False


def test_race_17_a_dispute_that_is_won_after_it_was_lost_is_reversed_and_told(site: Site) -> None:
    one, payment = captured(site)
    one.final()
    for outcome in ("open", "lost"):
        site.crowdsplit.control(f"/payments/{payment}/dispute", outcome=outcome)
        observe(site.engine, site.read(payment))
    assert one.statuses()[2] == "dispute_lost"
    assert site.balanced_books() == {OWED: (5000, 0), LOSSES: (5000, 0)}
    with capture_logs() as logs:
        site.crowdsplit.control(f"/payments/{payment}/dispute", outcome="won")
        observe(site.engine, site.read(payment))
    assert "lost_dispute_won" in {entry["event"] for entry in logs}
    assert dispute_states(site.engine, one.id) == ["won"]
    assert one.statuses()[2] == "none"
    assert one.reason == "a dispute that was lost is won after all"
    assert site.balanced_books() == {RECEIVABLE: (5000, 0), OWED: (5000, 0)}
    assert [site.journals(source) for source in ("dispute", "dispute_undone")] == [1, 1]


def test_race_23_only_the_failed_part_of_a_transfer_is_made_again(site: Site) -> None:
    """R$30,000 go in three parts, for the gateway takes R$10,000 at once; one answer is lost."""
    gateway = site.services.gateways["crowdsplit"]
    assert isinstance(gateway, CrowdSplit)
    account = gateway.open_account(new_account()).account_id
    parts = [NewTransfer(uuid.uuid4(), PART, account) for _ in range(3)]
    gateway.transfer(parts[0])
    site.crowdsplit.fault("/transfer", "reset_after", method="POST", times=3)
    with pytest.raises(OutcomeUnknown):
        gateway.transfer(parts[1])
    gateway.transfer(parts[2])
    gateway.transfer(parts[1])
    assert [transfers_of(gateway, part) for part in parts] == [1, 1, 1]


def transfers_of(gateway: CrowdSplit, part: NewTransfer) -> int:
    """How many transfers the gateway holds for one part."""
    rows = gateway._api.rows("/transactions", "transaction_list", {"type_list": "transfer"})
    names = [row["metadata"].get("lastro_transfer_id") for row in rows]
    return names.count(str(part.transfer_id))
