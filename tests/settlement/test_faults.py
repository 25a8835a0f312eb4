"""Faults of chains and nodes, each ending with every payment settled once.

Numbers are those of ``docs/decisions/0007``, which says where each fault is tried.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from indexer.chain.types import BlockNumber
from indexer.follow import Follower
from indexer.maintenance import rewind
from settlement.tables import (
    attempts,
    nonce_slots,
    requests,
)
from stack.anvil import Anvil
from stack.fakes.chain_proxy.faults import Fault
from stack.fakes.chain_proxy.proxy import running_proxy
from tests.settlement.soundness import assert_sound
from tests.settlement.trouble import PAYMENTS, funded, mode, pledge_all, release, steal_nonce
from tests.settlement.world import World


def test_f3_no_second_nonce_and_no_false_foreigner_when_one_node_lags_thirty_blocks(
    chain: Anvil, build_world: Callable[..., World]
) -> None:
    with running_proxy(chain.url) as honest, running_proxy(chain.url) as lagging:
        world = build_world(rpc_urls=[honest.url, lagging.url])
        treasury = funded(world)
        for _ in range(40):
            world.mine()
        world.index()
        lagging.faults.add(Fault("lag", blocks=30))
        pledge_all(world, treasury)
        world.settle_down(world.all_settled)
        assert mode(world) == "active"
        assert world.kinds_sealed() == ["settle_payments"]
        assert_sound(world, payments=PAYMENTS)


def test_f4_payments_settle_after_release_when_a_foreign_transaction_took_their_nonce(
    world: World,
) -> None:
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    steal_nonce(world)
    world.runner.turn()
    assert mode(world) == "quarantine", "at the first look at its block"
    (slot,) = [slot for slot in world.rows(nonce_slots) if slot.state == "foreign"]
    assert slot.failure.startswith("transaction 0x"), "the foreign transaction is named"
    release(world)
    world.settle_down(world.all_settled)
    assert len(set(world.confirmed_logs())) == len(world.confirmed_logs()) == PAYMENTS


def test_f4_the_same_bytes_are_sent_again_when_a_reorg_takes_the_foreign_transaction_back(
    world: World,
) -> None:
    """Survives: a foreign transaction took the nonce, and its block is replaced without it."""
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    attempt = max(world.rows(attempts), key=lambda one: one.nonce)
    steal_nonce(world)
    world.runner.turn()
    assert any(slot.state == "foreign" for slot in world.rows(nonce_slots))
    world.anvil.call("anvil_reorg", 1, [])
    world.runner.turn()
    assert not any(slot.state == "foreign" for slot in world.rows(nonce_slots))
    release(world)
    world.settle_down(world.all_settled)
    (slot,) = [slot for slot in world.rows(nonce_slots) if slot.nonce == attempt.nonce]
    assert slot.mined_tx == attempt.tx_hash
    assert_sound(world, payments=PAYMENTS)


def test_f5_replacements_satisfy_the_pools_rule_on_both_fees(
    chain: Anvil, build_world: Callable[..., World]
) -> None:
    with running_proxy(chain.url) as pool:
        world = build_world(rpc_urls=[pool.url], bump_after=timedelta(0), bump_blocks=0)
        treasury = funded(world)
        pledge_all(world, treasury)
        world.index()
        for _ in range(4):  # each turn replaces what the last one sent
            world.runner.turn()
        assert max(one.sequence for one in world.rows(attempts)) >= 2
        assert not [one for one in world.rows(attempts) if "underpriced" in (one.last_answer or "")]
        world.settle_down(world.all_settled)
        assert_sound(world, payments=PAYMENTS)


@pytest.mark.parametrize("depth", [1, 5])
def test_f6_payments_settle_once_when_a_reorg_of_some_depth_drops_their_transaction(
    world: World, depth: int
) -> None:
    treasury = funded(world)
    world.anvil.call("evm_setAutomine", False)
    pledge_all(world, treasury)
    world.settle_down(lambda: world.states() == {"included": PAYMENTS})
    for _ in range(depth - 1):
        world.mine()  # not indexed: they are not final for us
    world.anvil.call("anvil_reorg", depth, [])
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)


def test_f6_settled_payments_are_taken_back_and_settle_again_when_a_finalized_block_changed(
    world: World, engine_as: Callable[[str], Engine]
) -> None:
    """Survives: a reorg deeper than finality, after the operator has rewound the indexer."""
    treasury = funded(world)
    pledge_all(world, treasury)
    world.settle_down(world.all_settled)
    (settled,) = {row.settled_block for row in world.rows(requests)}
    head = world.reader.block_by_number("latest")
    assert head is not None
    world.anvil.call("anvil_reorg", head.number - settled + 1, [])
    with engine_as("chain").begin() as connection:
        rewind(connection, world.lane.chain_id, BlockNumber(settled - 1), below_finalized=True)
    world.follower = Follower(
        engine_as("chain"),
        world.reader,
        network=world.lane.network,
        deployment=world.deployment,
    )
    world.follower.start()
    world.index()
    world.runner.turn()
    assert world.states() == {"batched": PAYMENTS}
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)


def test_f7_payments_settle_once_when_head_and_nonce_go_backwards(world: World) -> None:
    treasury = funded(world)
    snapshot = world.anvil.call("evm_snapshot")
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    world.mine()
    world.runner.turn()
    assert world.anvil.call("evm_revert", snapshot)
    world.runner.turn()
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)


def test_f8_payments_settle_once_through_wiped_pools_and_a_hundredfold_base_fee(
    build_world: Callable[..., World],
) -> None:
    world = build_world(bump_after=timedelta(0), bump_blocks=2)
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    header = world.reader.fee_history(1)
    world.anvil.call("anvil_dropAllTransactions")
    dear = 100 * header.base_fees[-1]
    for _ in range(4):
        world.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(dear))
        world.mine()
        world.runner.turn()
    assert max(int(one.max_fee_per_gas_wei) for one in world.rows(attempts)) > dear
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)


def test_f4_a_nonce_left_to_a_foreigner_that_a_reorg_took_is_filled_so_that_all_above_is_mined(
    world: World,
) -> None:
    """Survives: the operator releases at once, then the foreign transaction is gone."""
    treasury = funded(world)
    steal_nonce(world)
    world.runner.turn()
    release(world)
    world.anvil.call("anvil_reorg", 1, [])
    pledge_all(world, treasury)
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)
