"""A world in which everything has happened, and each state is held by somebody."""

import uuid
from datetime import timedelta

from eth_abi.abi import encode

from indexer.chain.types import Address
from settlement.action_intake import request_refund
from settlement.calldata import selector
from tests.settlement.world import ADMIN, OAKS_KIND, World

PAYMENT_LIFE = timedelta(minutes=30)
WALLET = 10**24
TOO_MUCH = 2 * WALLET
EVERY_STATE = {
    "ready",
    "batched",
    "included",
    "settled",
    "refunded",
    "blocked",
    "void",
    "superseded",
}
"""But quarantined: that needs a failure three times over."""


def populate(world: World) -> None:
    """Bring payments of both kinds of treasury through every state, and leave some in each.

    Args:
        world: Built with ``WALLET`` and ``PAYMENT_LIFE``.
    """
    ours, oaks = world.live_treasury("um"), world.live_treasury("dois", kind=OAKS_KIND)
    settle_and_refund(world, ours, oaks)
    expire(world, oaks)
    fail_and_release(world, ours)
    reorganize(world, ours)
    leave_under_way(world, ours, oaks)


def settle_and_refund(world: World, ours: Address, oaks: Address) -> None:
    """Settle payments, undo one of them, and one that was never sent."""
    payments = [world.pledge(treasury) for treasury in (ours, ours, oaks, oaks)]
    world.settle_down(world.all_settled)
    ask_refund(world, payments[0])
    ask_refund(world, world.pledge(ours, amount=TOO_MUCH))
    world.settle_down(lambda: world.states() == {"settled": 3, "refunded": 1, "void": 1})


def expire(world: World, oaks: Address) -> None:
    """Let a payment expire on-chain that lacked tokens; its next generation is undone."""
    payment = world.pledge(oaks, amount=TOO_MUCH)
    world.settle_down(lambda: "blocked" in world.states())
    world.anvil.call("evm_increaseTime", int(PAYMENT_LIFE.total_seconds()) + 60)
    world.settle_down(lambda: "superseded" in world.states())
    ask_refund(world, payment)
    world.settle_down(lambda: world.states().get("void") == 2)


def fail_and_release(world: World, treasury: Address) -> None:
    """Let a settlement fail on-chain for want of tokens; it is released, and settled after all."""
    settled = world.states()["settled"]
    world.pledge(treasury)
    sealed = len(world.kinds_sealed())
    world.settle_down(lambda: "settle_payments" in world.kinds_sealed()[sealed:])
    world.anvil.call("anvil_dropAllTransactions")
    token, held = world.deployment.tokens[0].address, world.tokens_of(treasury)
    transfer = selector("transfer(address,uint256)")
    transfer += encode(["address", "uint256"], [ADMIN.address, held])
    world.send_as(treasury, token, transfer)
    world.mine()
    world.settle_down(lambda: world.states()["settled"] == settled + 1)


def reorganize(world: World, treasury: Address) -> None:
    """Let a reorg take a confirmation away."""
    world.pledge(treasury)
    world.settle_down(lambda: "included" in world.states())
    world.anvil.call("anvil_reorg", 1, [])
    world.index()
    world.runner.turn()
    world.settle_down(lambda: not {"batched", "included"} & set(world.states()))


def leave_under_way(world: World, ours: Address, oaks: Address) -> None:
    """Leave payments waiting for tokens, included, sealed and new."""
    world.pledge(ours, amount=TOO_MUCH)
    world.pledge(ours)
    world.settle_down(lambda: {"included", "blocked"} <= set(world.states()))
    for treasury in (oaks, oaks):
        world.pledge(treasury)
    world.runner.turn()
    world.pledge(ours)


def ask_refund(world: World, payment: uuid.UUID) -> None:
    """Ask for a payment to be undone."""
    with world.offchain.begin() as connection:
        assert request_refund(
            connection,
            action_id=uuid.uuid4(),
            request_id=payment,
            recipient=None,
            requested_by="a backer",
        )
