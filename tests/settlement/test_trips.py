from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from structlog.testing import capture_logs

from indexer.chain.types import ChainId
from settlement.record_tables import switches
from settlement.switches import Scope, Switch, account_key, chain_key, set_switch, stopping
from settlement.trips import (
    FAILED_MAX,
    FAILED_WINDOW,
    UNSETTLED_WINDOW,
    Observations,
    Trip,
    apply_trips,
    trips,
)
from tests.settlement.builders import NOW
from tests.settlement.stored import CHAIN, SIGNER, Store, ago

OTHER_CHAIN = ChainId(31338)
SIGNERS, CHAINS = account_key(CHAIN, SIGNER), chain_key(CHAIN)
TOO_MANY = FAILED_MAX + 1


def before(*ages: timedelta) -> tuple[datetime, ...]:
    return tuple(NOW - age for age in ages)


def switch(scope: Scope, key: str, *, stopped: bool, age: timedelta) -> Switch:
    return Switch(scope, key, stopped, "storm", "ana", NOW - age)


def seen(**values: Any) -> Observations:
    known: dict[str, Any] = {"failed_at": (), "unsettled_at": (), "switches": (), **values}
    return Observations(chain_id=CHAIN, signer=SIGNER, now=NOW, **known)


FAILURES = before(*[timedelta(minutes=n) for n in range(1, TOO_MANY + 1)])
ONE_BACK = before(timedelta(minutes=59))


@pytest.mark.parametrize(
    ("observations", "scopes"),
    [
        (seen(), []),
        (seen(failed_at=FAILURES), ["signer"]),
        (seen(failed_at=FAILURES[1:]), []),
        (seen(failed_at=(*FAILURES[1:], NOW - FAILED_WINDOW)), []),
        (seen(unsettled_at=ONE_BACK), ["chain"]),
        (seen(unsettled_at=before(UNSETTLED_WINDOW)), []),
        (seen(failed_at=FAILURES, unsettled_at=ONE_BACK), ["signer", "chain"]),
        pytest.param(
            seen(
                failed_at=FAILURES,
                switches=[switch("signer", SIGNERS, stopped=True, age=timedelta(days=1))],
            ),
            [],
            id="stopped already",
        ),
        pytest.param(
            seen(
                failed_at=FAILURES,
                switches=[switch("signer", SIGNERS, stopped=False, age=timedelta(seconds=150))],
            ),
            [],
            id="an operator answered for two of the three",
        ),
        pytest.param(
            seen(
                failed_at=FAILURES,
                switches=[switch("signer", SIGNERS, stopped=False, age=timedelta(minutes=9))],
            ),
            ["signer"],
            id="all three came after the operator",
        ),
        pytest.param(
            seen(
                unsettled_at=ONE_BACK,
                switches=[
                    switch("signer", SIGNERS, stopped=False, age=timedelta(0)),
                    switch("chain", CHAINS, stopped=False, age=timedelta(minutes=59)),
                ],
            ),
            [],
            id="evidence as old as the answer",
        ),
    ],
)
def test_trips_stop_what_new_evidence_asks_for(
    observations: Observations, scopes: Sequence[str]
) -> None:
    assert [trip.scope for trip in trips(observations)] == scopes


def test_trips_say_what_they_saw() -> None:
    assert trips(seen(failed_at=FAILURES, unsettled_at=ONE_BACK)) == [
        Trip(
            "signer",
            SIGNERS,
            "failed_transactions",
            "3 transactions were mined without effect within 10 minutes",
        ),
        Trip(
            "chain",
            CHAINS,
            "finality_regress",
            "1 settled payments went back: finality did not hold",
        ),
    ]


def apply(store: Store) -> list[str]:
    with store.engine.begin() as connection:
        return [trip.rule for trip in apply_trips(connection, chain_id=CHAIN, signer=SIGNER)]


def let_go(store: Store, scope: Scope, key: str) -> None:
    with store.engine.begin() as connection:
        assert set_switch(connection, scope, key, stopped=False, reason="seen", set_by="ana")


def fail(store: Store, *nonces: int, **slot: Any) -> None:
    for nonce in nonces:
        store.batch(nonce, state="mined_failed", slot=slot)


def test_failed_transactions_stop_the_signer_until_an_operator_lets_it_go(store: Store) -> None:
    store.signer()
    fail(store, 0, 1)
    fail(store, 2, mined_at=ago(minutes=11))
    store.batch(3)
    store.batch(4, state="signed")
    assert apply(store) == []
    fail(store, 5)
    with capture_logs() as logs:
        assert apply(store) == ["failed_transactions"]
        assert apply(store) == [], "it stands already"
    assert [(line["event"], line["scope"]) for line in logs] == [("switch_tripped", "signer")]
    with store.engine.connect() as connection:
        lane = stopping(connection, chain_id=CHAIN, signer=SIGNER).lane
    assert lane == (
        "the signer is stopped: 3 transactions were mined without effect within 10 minutes"
    )
    (row,) = store.rows(switches)
    assert row.set_by == "auto: failed_transactions"

    let_go(store, "signer", SIGNERS)
    assert apply(store) == [], "the operator has seen these"
    fail(store, 6, 7)
    assert apply(store) == []
    fail(store, 8)
    assert apply(store) == ["failed_transactions"]


def test_payment_that_comes_back_from_settled_stops_its_chain(store: Store) -> None:
    store.signer()
    settled, refunded = store.request("settled"), store.request("settled")
    elsewhere = store.request("settled", chain_id=OTHER_CHAIN)
    store.move(refunded, "refunded")
    store.move(elsewhere, "included")
    assert apply(store) == []
    store.move(settled, "batched", batch_id=elsewhere)
    assert apply(store) == ["finality_regress"]
    let_go(store, "chain", CHAINS)
    assert apply(store) == []


def test_what_an_operator_stopped_keeps_the_operators_reason(store: Store) -> None:
    store.signer()
    fail(store, 0, 1, 2)
    with store.engine.begin() as connection:
        connection.execute(
            insert(switches).values(
                scope="signer", key=SIGNERS, is_stopped=True, reason="leaked", set_by="ana"
            )
        )
    assert apply(store) == []
    assert [row.reason for row in store.rows(switches)] == ["leaked"]
