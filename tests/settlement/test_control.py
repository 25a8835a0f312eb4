from sqlalchemy import update

from settlement.control import release_signer, retry_request
from settlement.tables import requests, signers
from settlement.types import Nonce
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
    assert (row.state, row.reason, row.strikes) == ("ready", "retried: mended", 1)
    world.settle_down(world.all_settled)
