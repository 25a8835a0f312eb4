"""Races of money coming in: created twice, late, wrong, for a pledge that is paid, too early."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID

from offchain.jobs.sweeps.listing import list_walk, read_listed
from offchain.jobs.sweeps.polling import expire_pix, payment_poll
from offchain.jobs.sweeps.refunds import refund_sweep
from offchain.reconciliation.asking import read_again
from tests.offchain.races.site import Site
from tests.support.checkout import pay, unlock
from tests.support.claims import refund_rows
from tests.support.jobs import budget, created, known, later
from tests.support.offchain import FIFTY, add_attempt, add_campaign


def test_race_05_a_create_whose_answer_was_lost_makes_one_charge(site: Site) -> None:
    add_campaign(site.engine, slug="open-campaign")
    before = len(site.crowdsplit.totals()["payments"])
    site.crowdsplit.fault("/payments", "reset_after", method="POST", times=3)
    assert pay(site.http, key="k").status_code == 503
    unlock(site.engine)
    again = pay(site.http, key="k")
    assert again.status_code == 201
    assert len(site.crowdsplit.totals()["payments"]) == before + 1
    row = site.attempt(UUID(again.json()["payment_id"]))
    assert row.provider_payment_id is not None
    assert site.read(row.provider_payment_id).attempt_id == row.id


def test_race_06_money_after_the_expiry_is_held_and_never_dropped(site: Site) -> None:
    attempt_id, payment = site.waiting()
    assert expire_pix(later(site.runtime, hours=2), budget()) == 1
    site.crowdsplit.pay(payment)
    assert payment_poll(later(site.runtime, hours=4), budget()) == 1
    row = site.attempt(attempt_id)
    assert (row.fiat_status, row.chain_status) == ("late_paid", "none")
    assert row.review_reason is not None
    assert site.balanced_books() == {"gateway_receivable": (5000, 0), "suspense": (5000, 0)}
    assert site.requested() == {}


def test_race_07_two_gateways_pay_one_pledge_and_one_gives_it_back(site: Site) -> None:
    both = site.having(gateways={**site.services.gateways, "stripe": site.stripe.adapter()})
    pledge_id = site.onchain_pledge()
    pix = add_attempt(site.engine, pledge_id)
    site.crowdsplit.pay(known(site.services, pix))
    card = _card_attempt(both, pledge_id)
    barrier = Barrier(2)

    def hear(attempt_id: UUID) -> str:
        attempt = both.attempt(attempt_id)
        barrier.wait()
        return read_again(both.services, attempt, source="poll", poll_gap=timedelta(seconds=1))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(hear, (pix, card))) == ["corrected", "corrected"]
    first, second = sorted((pix, card), key=lambda one: both.statuses(one)[2])
    assert both.statuses(first) == ("captured", "queued", "none")
    assert both.statuses(second) == ("captured", "none", "refund_pending")
    assert both.requested() == {first: "ready"}
    assert refund_sweep(both.runtime, budget()) == 1
    given = {one: _given_back(both, one) for one in (first, second)}
    assert given == {first: 0, second: FIFTY.minor}
    assert [origin for origin, _, _ in refund_rows(both.engine, second)] == ["duplicate"]
    both.balanced_books()


def _card_attempt(site: Site, pledge_id: UUID) -> UUID:
    """A card payment at the second gateway, paid there."""
    attempt_id = add_attempt(site.engine, pledge_id, gateway="stripe", method="card")
    new = site.stripe.new_payment(attempt_id=attempt_id)
    site.stripe.pay(site.services.gateways["stripe"].create_payment(new))
    return attempt_id


def _given_back(site: Site, attempt_id: UUID) -> int:
    row = site.attempt(attempt_id)
    assert row.provider_payment_id is not None
    seen = site.services.gateways[row.gateway].read_payment(row.provider_payment_id)
    assert seen is not None
    return sum(refund.minor for refund in seen.refunds)


def test_race_08_another_amount_than_asked_for_is_held(site: Site) -> None:
    attempt_id, payment = site.waiting()
    site.crowdsplit.pay(payment, 4000)
    assert payment_poll(later(site.runtime, minutes=2), budget()) == 1
    row = site.attempt(attempt_id)
    assert (row.fiat_status, row.chain_status) == ("mismatch", "none")
    assert row.review_reason == "paid 4000, asked for 5000 minor units"
    assert site.balanced_books() == {"gateway_receivable": (4000, 0), "suspense": (4000, 0)}
    assert site.requested() == {}


def test_race_19_a_payment_that_is_being_created_is_left_alone(site: Site) -> None:
    """The gateway has it and we have a row, but the answer to the create is still on its way."""
    young = datetime.now(UTC) - timedelta(seconds=20)
    attempt_id = add_attempt(site.engine, site.onchain_pledge(), created_at=young)
    payment = created(site.services, attempt_id).provider_payment_id
    listings = len(site.crowdsplit.calls("GET", "/transactions"))
    assert payment_poll(site.runtime, budget()) == 0
    assert len(site.crowdsplit.calls("GET", "/transactions")) == listings, "nobody looked for it"
    assert list_walk(site.runtime, budget()) == 1
    while read_listed(site.runtime, budget()):
        """Others of this fake's payments are nobody's here."""
    assert site.attempt(attempt_id).provider_payment_id is None
    assert payment_poll(later(site.runtime, seconds=60), budget()) == 1
    assert site.attempt(attempt_id).provider_payment_id == payment
