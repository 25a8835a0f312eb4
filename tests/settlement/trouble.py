"""What the tests of faults have in common: payments under way, and who gets in their way."""

from indexer.chain.types import Address
from settlement.control import release_signer
from settlement.tables import signers
from settlement.types import Nonce
from tests.settlement.world import World

PAYMENTS = 3


def funded(world: World) -> Address:
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    return treasury


def pledge_all(world: World, treasury: Address) -> None:
    for _ in range(PAYMENTS):
        world.pledge(treasury)


def mode(world: World) -> str:
    (signer,) = world.rows(signers)
    return str(signer.mode)


def steal_nonce(world: World) -> None:
    """Somebody with our key spends its next nonce, ahead of what we send."""
    world.anvil.call("anvil_dropAllTransactions")
    world.send_as(world.lane.sender, world.lane.sender, b"")
    world.mine()


def release(world: World) -> None:
    with world.lane.engine.begin() as connection:
        release_signer(
            connection,
            world.lane.chain_id,
            world.lane.sender,
            "looked",
            chain_nonce=Nonce(world.reader.nonce(world.lane.sender, "pending")),
        )
