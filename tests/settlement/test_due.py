"""Whose turn it is: nobody waits behind what never moves."""

import uuid

import pytest
from sqlalchemy import update

from indexer.chain.types import to_hex
from settlement import due
from settlement.action_intake import request_refund
from settlement.tables import batch_items, batches, requests
from tests.settlement.world import OAKS_KIND, World


def test_newer_payments_settle_when_more_than_a_page_of_older_ones_has_stopped_for_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    treasury = world.live_treasury(kind=OAKS_KIND)
    stopped = [world.pledge(treasury) for _ in range(3)]
    world.settle_down(lambda: any(row.kind == "create_payments" for row in world.rows(batches)))
    world.mine()
    with world.lane.engine.begin() as connection:
        connection.execute(
            update(requests)
            .where(requests.c.request_id.in_(stopped))
            .values(state="blocked", reason="expired: too late")
        )
    monkeypatch.setattr(due, "READ_MAX", 2)
    world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"blocked": 3, "settled": 1})


def test_payment_that_failed_before_settles_though_others_keep_coming(world: World) -> None:
    treasury = world.live_treasury()
    failed = world.pledge(treasury)
    with world.lane.engine.begin() as connection:
        connection.execute(
            update(requests).where(requests.c.request_id == failed).values(strikes=1)
        )

    def is_settled() -> bool:
        world.pledge(treasury)
        return any(
            row.request_id == failed and row.state == "settled" for row in world.rows(requests)
        )

    world.pledge(treasury)
    world.settle_down(is_settled, rounds=12)
    world.settle_down(world.all_settled)


def test_payment_in_another_token_travels_in_another_call(world: World) -> None:
    treasury = world.live_treasury()
    world.pledge(treasury)
    odd, token = world.pledge(treasury), world.other_token()
    with world.lane.engine.begin() as connection:
        connection.execute(
            update(requests)
            .where(requests.c.request_id == odd)
            .values(token=token, amount_base_units=1)
        )
    world.settle_down(lambda: world.states() == {"blocked": 1, "settled": 1})
    reasons = {row.reason for row in world.rows(requests) if row.request_id == odd}
    assert reasons == {f"treasury: token not accepted ({to_hex(token)})"}


def test_payment_that_is_asked_back_is_never_sealed_and_holds_up_no_other(world: World) -> None:
    """Survives: a refund or dispute that arrives while the payment waits for its batch."""
    treasury = world.live_treasury()
    asked = world.pledge(treasury)
    world.pledge(treasury)
    with world.lane.engine.begin() as connection:
        assert request_refund(
            connection,
            action_id=uuid.uuid4(),
            request_id=asked,
            recipient=None,
            requested_by="off-chain: disputed",
        )
    world.settle_down(lambda: world.states() == {"void": 1, "settled": 1})
    assert asked not in {row.request_id for row in world.rows(batch_items)}
