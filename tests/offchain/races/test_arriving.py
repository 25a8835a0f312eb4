"""Races of news: webhooks, polls and lists that bring one thing twice, late, early or forged."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import cast

from sqlalchemy import select
from structlog.testing import capture_logs
from typing_extensions import override

from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.crowdsplit.wire import read_payment
from offchain.gateways.types import Observation
from offchain.inbox.working import claim, work
from offchain.jobs.sweeps.listing import list_walk, read_listed
from offchain.reconciliation.asking import read_again
from offchain.tables import webhook_refusals
from tests.offchain.races.site import PATH, Site, webhook
from tests.support.claims import observe
from tests.support.crowdsplit import WEBHOOK_SECRET
from tests.support.jobs import budget, created, later, receive
from tests.support.offchain import add_attempt
from tests.support.waiting import eventually

THREADS = 50


def test_race_01_webhooks_and_polls_of_one_capture_take_effect_once(site: Site) -> None:
    """Fifty threads, half of them webhooks and half of them polls, learn of one capture at once."""
    attempt_id, payment = site.waiting()
    site.crowdsplit.pay(payment)
    for _ in range(THREADS // 2):
        receive(site.engine, id=payment)
    with site.engine.begin() as connection:
        events = claim(connection, limit=THREADS)
    attempt = site.attempt(attempt_id)
    barrier = Barrier(THREADS)

    def hear(number: int) -> str:
        barrier.wait()
        if number < len(events):
            return work(site.services, events[number])
        return read_again(site.services, attempt, source="poll", poll_gap=timedelta(seconds=1))

    with ThreadPoolExecutor(THREADS) as pool:
        heard = list(pool.map(hear, range(THREADS)))
    assert set(heard) <= {"applied", "corrected", "unchanged"}
    assert heard.count("applied") == THREADS // 2
    assert site.journals("capture") == 1
    assert site.requested() == {attempt_id: "ready"}
    assert [site.moves_to(attempt_id, one) for one in ("captured", "queued")] == [1, 1]


def test_race_02_one_event_twice_and_its_twin_take_effect_once(site: Site) -> None:
    attempt_id, payment = site.waiting()
    site.crowdsplit.pay(payment)
    event, twin = f"evt_{uuid.uuid4()}", f"evt_{uuid.uuid4()}"
    assert [site.post(payment, event_id=one) for one in (event, event, twin, event)] == [200] * 4
    assert site.inbox_states() == ["new", "new"]
    assert site.work_off() == ["applied", "applied"]
    assert site.journals("capture") == 1
    assert site.requested() == {attempt_id: "ready"}


def test_race_03_older_news_after_the_capture_change_nothing(site: Site) -> None:
    attempt_id, payment = site.waiting()
    old = site.read(payment)
    site.crowdsplit.pay(payment)
    observe(site.engine, site.read(payment))
    for late in (old, replace(old, effect="processing"), replace(old, effect="failed")):
        assert observe(site.engine, late) == "unchanged"
    assert site.statuses(attempt_id) == ("captured", "queued", "none")


def test_race_04_a_webhook_before_our_row_waits_and_lands_within_one_sweep(site: Site) -> None:
    early = uuid.uuid4()
    payment = created(site.services, early).provider_payment_id
    site.crowdsplit.pay(payment)
    assert site.post(payment) == 200
    assert site.work_off() == ["unmatched"]
    assert site.work_off() == ["unmatched"]
    add_attempt(site.engine, site.onchain_pledge(), id=early)
    site.work_off()
    assert site.statuses(early) == ("captured", "queued", "none")
    assert site.inbox_states() == ["done"]


def test_race_18_what_becomes_visible_late_or_by_another_clock_is_found_by_the_next_walk(
    site: Site,
) -> None:
    """Our clock is ten minutes ahead of the gateway's; the payment changes after our walk."""
    attempt_id, payment = site.waiting()
    ahead = later(site.runtime, minutes=10)
    assert list_walk(ahead, budget()) == 1
    read_all_listed(site)
    site.crowdsplit.pay(payment)
    assert list_walk(ahead, budget()) == 1
    read_all_listed(site)
    assert site.attempt(attempt_id).fiat_status == "captured"


def test_race_18_what_a_broken_walk_did_not_reach_is_found_by_the_next_one(site: Site) -> None:
    attempt_id, payment = site.waiting()
    assert list_walk(site.runtime, budget()) == 1
    read_all_listed(site)
    site.crowdsplit.pay(payment)
    site.crowdsplit.fault("/transactions", "status", method="GET", times=3)
    walked = [list_walk(later(site.runtime, minutes=ahead), budget()) for ahead in (30, 35)]
    read_all_listed(site)
    assert site.attempt(attempt_id).fiat_status == "captured"
    assert walked == [0, 1]


def read_all_listed(site: Site) -> None:
    while read_listed(site.runtime, budget()):
        """Others of this fake's payments are nobody's here."""


def test_race_20_a_status_that_nobody_knows_changes_nothing_and_is_told(site: Site) -> None:
    attempt_id = add_attempt(site.engine, site.onchain_pledge())
    shown = {
        "id": str(uuid.uuid4()),
        "status": "teleported",
        "source": {"amount": 5000, "currency": "brl"},
        "metadata": {"lastro_attempt_id": str(attempt_id)},
    }
    receive(site.engine, id=shown["id"])

    class Modern(CrowdSplit):
        @override
        def read_payment(self, provider_payment_id: str) -> Observation | None:
            assert provider_payment_id == shown["id"]
            return read_payment(shown)

    modern = Modern(site.crowdsplit.caller())
    with capture_logs() as logs:
        assert site.having(gateways={"crowdsplit": modern}).work_off() == ["applied"]
    assert site.statuses(attempt_id) == ("created", "none", "none")
    assert "gateway_status_unknown" in {entry["event"] for entry in logs}


def test_race_21_both_secrets_are_good_while_one_is_rotated(site: Site) -> None:
    gateway = CrowdSplit(site.crowdsplit.caller(), webhook_secrets=["the-old", "the-new"])
    cast("dict[str, object]", site.services.gateways)["crowdsplit"] = gateway
    _, payment = site.waiting()
    secrets = ("the-old", "the-new", "the-one-before")
    assert [site.post(payment, secret=one) for one in secrets] == [200, 200, 401]


def test_race_22_a_forged_webhook_with_a_real_id_leaves_a_count_and_nothing_else(
    site: Site,
) -> None:
    attempt_id, payment = site.waiting()
    body = webhook(payment)
    stamp = int(datetime.now(UTC).timestamp())
    forged = {"CrowdSplit-Signature": f"t={stamp},v1={'0' * 64}"}
    assert site.http.post(PATH, content=body, headers=forged).status_code == 401
    assert site.inbox_states() == []
    assert site.statuses(attempt_id) == ("awaiting", "none", "none")

    def counted() -> list[tuple[object, ...]]:
        with site.engine.connect() as connection:
            return [tuple(row)[:3] for row in connection.execute(select(webhook_refusals))]

    assert eventually(counted) == [("crowdsplit", "forged", 1)]
    assert WEBHOOK_SECRET not in str(counted())
