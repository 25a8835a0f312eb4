"""What is stopped is not sealed, what is sealed goes on, and what is let go settles."""

import pytest
from sqlalchemy import update

from settlement.switches import GLOBAL_KEY, Scope, account_key, chain_key, set_switch
from settlement.tables import requests
from tests.settlement.soundness import assert_sound
from tests.settlement.world import World


def turn(world: World, scope: Scope, key: str, *, stopped: bool) -> None:
    with world.lane.engine.begin() as connection:
        assert set_switch(connection, scope, key, stopped=stopped, reason="storm", set_by="ana")


def live_on(world: World, blocks: int = 4) -> None:
    for _ in range(blocks):
        world.index()
        world.runner.turn()
        world.mine()


@pytest.mark.parametrize("scope", ["global", "chain", "signer"])
def test_lane_that_is_stopped_seals_nothing_until_it_is_let_go(world: World, scope: Scope) -> None:
    lane = world.lane
    keys = {
        "global": GLOBAL_KEY,
        "chain": chain_key(lane.chain_id),
        "signer": account_key(lane.chain_id, lane.sender),
    }
    treasury = world.live_treasury()
    turn(world, scope, keys[scope], stopped=True)
    world.pledge(treasury)
    live_on(world)
    assert (world.states(), world.kinds_sealed()) == ({"ready": 1}, [])
    turn(world, scope, keys[scope], stopped=False)
    world.settle_down(world.all_settled)
    assert_sound(world, payments=1)


def test_what_was_sealed_before_the_stop_is_sent_until_it_is_mined(world: World) -> None:
    """Survives: a stop between a seal and the node that forgets its transaction."""
    treasury = world.live_treasury()
    world.pledge(treasury)
    world.settle_down(lambda: "settle_payments" in world.kinds_sealed())
    turn(world, "global", GLOBAL_KEY, stopped=True)
    world.anvil.call("anvil_dropAllTransactions")
    world.settle_down(world.all_settled)
    assert_sound(world, payments=1)


def test_stopped_treasury_holds_back_no_other(world: World) -> None:
    stopped, going = world.live_treasury("a"), world.live_treasury("b")
    turn(world, "treasury", account_key(world.lane.chain_id, stopped), stopped=True)
    for treasury in (stopped, going):
        world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"ready": 1, "settled": 1})
    assert world.tokens_of(stopped) == 0, "no token leaves for a treasury that is stopped"
    turn(world, "treasury", account_key(world.lane.chain_id, stopped), stopped=False)
    world.settle_down(world.all_settled)
    assert world.view(stopped, "getRaisedAmount()") == world.view(going, "getRaisedAmount()")


def test_stopped_gateway_holds_back_no_payment_of_another(world: World) -> None:
    treasury = world.live_treasury()
    held, _going = world.pledge(treasury), world.pledge(treasury)
    with world.lane.engine.begin() as connection:
        connection.execute(
            update(requests).where(requests.c.request_id == held).values(gateway="crowdsplit")
        )
    turn(world, "gateway", "crowdsplit", stopped=True)
    world.settle_down(lambda: world.states() == {"ready": 1, "settled": 1})
    turn(world, "gateway", "crowdsplit", stopped=False)
    world.settle_down(world.all_settled)
    assert_sound(world, payments=2)
