"""A finalized block changed: nothing that was released is sent again, and no rewind is missed."""

from collections.abc import Callable
from datetime import timedelta

from eth_abi.abi import encode
from sqlalchemy import Engine, func, update

from indexer.chain.types import Address, BlockNumber
from indexer.follow import Follower
from indexer.maintenance import rewind
from indexer.tables import reorgs
from settlement.calldata import selector
from settlement.tables import attempts, nonce_slots, requests
from tests.settlement.soundness import assert_sound
from tests.settlement.trouble import funded
from tests.settlement.world import ADMIN, World

PAYMENTS = 3


def rewind_chain_and_index(
    world: World, engine: Engine, to: BlockNumber, *, began: timedelta = timedelta(0)
) -> None:
    """Replace every block above ``to`` by an empty one, and have the operator rewind the index."""
    head = world.reader.block_by_number("latest")
    assert head is not None
    world.anvil.call("anvil_reorg", head.number - to, [])
    with engine.begin() as connection:
        rewind(connection, world.lane.chain_id, to, below_finalized=True)
        connection.execute(update(reorgs).values(seen_at=func.now() - began))
    world.follower = Follower(
        engine, world.reader, network=world.lane.network, deployment=world.deployment
    )
    world.follower.start()
    world.index()


def fail_once(world: World, treasury: Address) -> None:
    """The tokens leave between trial and block: the settlement is mined without effect."""
    for _ in range(PAYMENTS):
        world.pledge(treasury)
    world.index()
    world.runner.turn()
    world.anvil.call("anvil_dropAllTransactions")
    token = world.deployment.tokens[0].address
    drain = encode(["address", "uint256"], [ADMIN.address, world.tokens_of(treasury)])
    world.send_as(treasury, token, selector("transfer(address,uint256)") + drain)
    world.settle_down(lambda: any(slot.state == "mined_failed" for slot in world.rows(nonce_slots)))


def test_bytes_of_a_released_batch_are_given_up_when_its_final_block_is_gone(
    world: World, engine_as: Callable[[str], Engine]
) -> None:
    """Survives: two batches of the same payments that could both be mined."""
    treasury = funded(world)
    fail_once(world, treasury)
    (failed,) = [slot for slot in world.rows(nonce_slots) if slot.state == "mined_failed"]
    world.settle_down(world.all_settled, rounds=90)
    rewind_chain_and_index(world, engine_as("chain"), BlockNumber(failed.mined_block - 2))
    world.settle_down(world.all_settled, rounds=90)
    (slot,) = [slot for slot in world.rows(nonce_slots) if slot.nonce == failed.nonce]
    mined = next(one for one in world.rows(attempts) if one.tx_hash == slot.mined_tx)
    assert mined.is_noop
    assert_sound(world, payments=PAYMENTS)


def test_a_rewind_that_began_before_the_settling_is_not_missed(
    world: World, engine_as: Callable[[str], Engine]
) -> None:
    """Survives: a rewind whose transaction took longer than a settlement."""
    treasury = funded(world)
    for _ in range(PAYMENTS):
        world.pledge(treasury)
    world.settle_down(world.all_settled)
    (settled,) = {row.settled_block for row in world.rows(requests)}
    to = BlockNumber(settled - 1)
    rewind_chain_and_index(world, engine_as("chain"), to, began=timedelta(hours=2))
    world.runner.turn()
    assert world.states() == {"batched": PAYMENTS}
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)
