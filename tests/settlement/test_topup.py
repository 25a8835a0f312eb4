"""Tokens leave the wallet only for payments that nothing else keeps from being confirmed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from eth_abi.abi import encode

from indexer.chain.types import Address, to_checksum
from settlement.calldata import selector
from settlement.funding import QUIET_BLOCKS
from settlement.headroom import headroom
from settlement.tables import batches, requests
from tests.settlement.world import ADMIN, CENTAVO, CREATOR, OAKS_KIND, OUR_KIND, World

NO_TIME = timedelta(0)
AMOUNT = 5_000 * CENTAVO


def run(world: World, blocks: int) -> None:
    for _ in range(blocks):
        world.index()
        world.runner.turn()
        world.mine()


def cancel(world: World, treasury: Address) -> None:
    world.send_as(CREATOR, treasury, selector("cancelTreasury(bytes32)") + bytes(32))
    world.mine()


def reasons(world: World) -> set[str]:
    return {row.reason for row in world.rows(requests)}


def is_created(world: World) -> bool:
    return any(batch.kind == "create_payments" for batch in world.rows(batches))


@pytest.mark.parametrize("kind", [OUR_KIND, OAKS_KIND])
def test_treasury_cancelled_before_anything_was_sent_gets_no_tokens(
    world: World, kind: str
) -> None:
    treasury = world.live_treasury(kind=kind)
    cancel(world, treasury)
    world.pledge(treasury)
    run(world, 6)
    assert reasons(world) == {"treasury: treasury cancelled"}
    assert world.tokens_of(treasury) == 0


def test_treasury_cancelled_after_the_creation_gets_no_tokens(world: World) -> None:
    treasury = world.live_treasury(kind=OAKS_KIND)
    world.pledge(treasury)
    world.settle_down(lambda: is_created(world))
    world.mine()
    cancel(world, treasury)
    run(world, 6)
    assert reasons(world) == {"treasury: treasury cancelled"}
    assert world.tokens_of(treasury) == 0


@pytest.mark.parametrize("kind", [OUR_KIND, OAKS_KIND])
def test_payments_are_funded_anew_when_the_treasury_lost_their_tokens(
    world: World, kind: str
) -> None:
    """Survives: our books say funded, the treasury says short; nothing may stall in silence."""
    treasury = world.live_treasury(kind=kind)
    world.pledge(treasury)

    def funded() -> bool:
        return any(batch.kind == "fund" for batch in world.rows(batches))

    world.settle_down(funded)
    world.mine()
    token = world.deployment.tokens[0].address
    loss = encode(["address", "uint256"], [ADMIN.address, AMOUNT])
    world.send_as(treasury, token, selector("transfer(address,uint256)") + loss)
    world.mine()
    run(world, QUIET_BLOCKS - 3)
    shortage = f"funding: treasury short of tokens ({AMOUNT}, 0)"
    assert reasons(world) == {shortage}
    assert [batch.kind for batch in world.rows(batches)].count("fund") == 1, "a node may lag"
    world.settle_down(world.all_settled)
    assert world.tokens_of(treasury) == AMOUNT


def headroom_of(world: World, treasury: Address) -> int:
    with world.lane.engine.begin() as connection:
        return headroom(
            connection,
            chain_id=world.lane.chain_id,
            treasury=treasury,
            token=world.deployment.tokens[0].address,
            mined_only=True,
        )


def test_headroom_counts_a_transfer_once_whichever_key_signed_it(world: World) -> None:
    treasury = world.live_treasury()
    world.pledge(treasury)
    world.settle_down(world.all_settled)
    assert headroom_of(world, treasury) == 0


def test_headroom_follows_surplus_that_is_swept_and_the_reorg_that_brings_it_back(
    world: World,
) -> None:
    treasury = world.live_treasury()
    token = world.deployment.tokens[0].address
    mint = encode(["address", "uint256"], [to_checksum(treasury), AMOUNT])
    world.send_as(world.deployment.protocol_admin, token, selector("mint(address,uint256)") + mint)
    world.mine()
    world.index()
    assert headroom_of(world, treasury) == AMOUNT
    sweep = selector("sweepSurplus(address)") + encode(["address"], [to_checksum(token)])
    world.send_through_adapter(treasury, sweep)
    world.mine()
    world.index()
    assert world.tokens_of(treasury) == 0
    assert headroom_of(world, treasury) == 0
    world.anvil.call("anvil_reorg", 1, [])
    world.index()
    assert headroom_of(world, treasury) == AMOUNT
    world.send_through_adapter(treasury, sweep)
    world.mine()
    world.pledge(treasury)
    world.settle_down(world.all_settled)
    assert world.tokens_of(treasury) == AMOUNT, "funded from the wallet, not from what was swept"


def test_requests_wait_with_the_reason_when_their_token_is_no_contract(
    build_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = build_world()
    treasury = world.live_treasury(kind=OAKS_KIND)
    world.pledge(treasury)
    world.settle_down(lambda: is_created(world))
    token = world.deployment.tokens[0].address
    code = world.anvil.call("eth_getCode", to_checksum(token), "latest")
    world.anvil.call("anvil_setCode", to_checksum(token), "0x")
    run(world, 4)
    (reason,) = reasons(world)
    assert reason.startswith("treasury: its token does not answer")
    world.anvil.call("anvil_setCode", to_checksum(token), code)
    monkeypatch.setattr("settlement.retrying.RETRY_AFTER", NO_TIME)
    world.settle_down(world.all_settled)
