from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from settlement.control import quarantine_request, release_signer, retry_request
from settlement.record_tables import actions
from settlement.tables import requests, signers
from settlement.types import Nonce
from tests.settlement.stored import Store
from tests.settlement.world import CREATOR, World


def release(world: World) -> bool:
    lane = world.lane
    nonce = Nonce(world.reader.nonce(lane.sender, "pending"))
    with lane.engine.begin() as connection:
        return release_signer(
            connection, lane.chain_id, lane.sender, "sent by hand", chain_nonce=nonce
        )


def test_released_signer_settles_above_the_nonces_that_others_took(world: World) -> None:
    treasury = world.live_treasury()
    assert not release(world), "nothing to release"
    world.send_as(world.lane.sender, CREATOR, b"")
    world.mine()
    world.pledge(treasury)
    world.settle_down(lambda: world.rows(signers)[0].mode == "quarantine", rounds=3)
    assert release(world)
    assert world.rows(signers)[0].mode_reason == "released: sent by hand"
    world.settle_down(world.all_settled)
    assert world.rows(signers)[0].mode == "active"


def test_release_never_takes_a_nonce_back(world: World) -> None:
    lane = world.lane
    with lane.engine.begin() as connection:
        connection.execute(update(signers).values(next_nonce=40, mode="quarantine"))
    assert release(world)
    assert world.rows(signers)[0].next_nonce == 40


def test_retried_request_settles_when_what_stopped_it_is_gone(world: World) -> None:
    treasury = world.live_treasury()
    stopped = world.pledge(treasury)
    with world.lane.engine.begin() as connection:
        assert not retry_request(connection, stopped, "nothing stopped it")
        connection.execute(update(requests).values(state="quarantined", reason="odd", strikes=3))
    with world.lane.engine.begin() as connection:
        assert retry_request(connection, stopped, "mended")
    (row,) = world.rows(requests)
    assert (row.state, row.reason, row.strikes) == ("ready", "retried: mended", 2)
    world.settle_down(world.all_settled)


def quarantine(store: Store, request_id: UUID) -> str | None:
    with store.engine.begin() as connection:
        return quarantine_request(connection, request_id, "chargeback expected")


def retry(store: Store, name: UUID) -> bool:
    with store.engine.begin() as connection:
        return retry_request(connection, name, "mended")


@pytest.mark.parametrize("state", ["ready", "blocked"])
def test_waiting_payment_is_quarantined_until_it_is_retried(store: Store, state: str) -> None:
    request_id = store.request(state)
    assert quarantine(store, request_id) is None
    (row,) = store.rows(requests)
    assert (row.state, row.reason) == ("quarantined", "by an operator: chargeback expected")
    assert retry(store, request_id)
    assert [row.state for row in store.rows(requests)] == ["ready"]


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("batched", "its transaction is sealed and is sent until it is mined"),
        ("included", "only a refund undoes it"),
        ("settled", "only a refund undoes it"),
        ("quarantined", "it is quarantined already"),
        ("refunded", "it is refunded already"),
        ("void", "settlement knows no live payment"),
        ("superseded", "settlement knows no live payment"),
    ],
)
def test_payment_is_not_quarantined_when_it_is_under_way_or_over(
    store: Store, state: str, why: str
) -> None:
    refusal = quarantine(store, store.request(state))
    assert refusal is not None
    assert why in refusal
    assert [row.state for row in store.rows(requests)] == [state]


def test_quarantine_keeps_a_payment_out_of_every_transaction(world: World) -> None:
    treasury = world.live_treasury()
    kept, settled = world.pledge(treasury), world.pledge(treasury)
    with world.lane.engine.begin() as connection:
        assert quarantine_request(connection, kept, "chargeback expected") is None
    world.settle_down(lambda: world.states() == {"quarantined": 1, "settled": 1})
    with world.lane.engine.begin() as connection:
        refusal = quarantine_request(connection, settled, "too late")
    assert refusal == "it is confirmed on-chain: only a refund undoes it"


def test_later_generation_answers_to_its_callers_name(store: Store) -> None:
    root = store.request("superseded")
    second = store.request("blocked", root_id=root, generation=1)
    assert quarantine(store, root) is None
    assert {row.request_id: row.state for row in store.rows(requests)} == {
        root: "superseded",
        second: "quarantined",
    }
    assert retry(store, root)
    assert quarantine(store, second) is None
    assert retry(store, second)


def test_stopped_action_is_asked_for_again(store: Store) -> None:
    stopped = store.action(state="quarantined", reason="failed 3 times", strikes=3)
    running = store.action("disburse_fees", state="sealed")
    assert retry(store, stopped)
    assert not retry(store, running)
    assert not retry(store, uuid4())
    row = next(row for row in store.rows(actions) if row.action_id == stopped)
    assert (row.state, row.reason, row.strikes) == ("requested", "retried: mended", 2)
