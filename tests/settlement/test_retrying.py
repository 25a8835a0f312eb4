"""A treasury that refuses everything is asked with one payment a minute, not with all of them."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from indexer.chain.types import Address
from settlement import retrying
from settlement.calldata import selector
from settlement.record_tables import moves
from settlement.tables import requests
from tests.settlement.soundness import assert_sound
from tests.settlement.world import World

PAYMENTS = 5


def set_paused(world: World, treasury: Address, *, paused: bool) -> None:
    name = "pauseTreasury(bytes32)" if paused else "unpauseTreasury(bytes32)"
    world.send_through_adapter(treasury, selector(name) + bytes(32))
    world.mine()


def test_one_payment_asks_a_paused_treasury_and_all_follow_when_it_opens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    set_paused(world, treasury, paused=True)
    for _ in range(PAYMENTS):
        world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"blocked": PAYMENTS})
    before = len(world.rows(moves))
    monkeypatch.setattr(retrying, "RETRY_AFTER", timedelta(0))
    for _ in range(3):
        world.mine()
        world.index()
        world.runner.turn()
    asked = world.rows(moves)[before:]
    assert len({move.request_id for move in asked}) == 1
    assert 2 <= len(asked) <= 6
    set_paused(world, treasury, paused=False)
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)
    with world.lane.engine.connect() as connection:
        assert not connection.execute(
            select(requests.c.reason).where(requests.c.reason.is_not(None))
        ).all()
