"""When a transaction is replaced, and when waiting is all that helps."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from indexer.chain.types import BlockNumber, to_hex
from settlement.replacing import replace_stuck
from settlement.tables import attempts, nonce_slots
from tests.settlement.faults import Crash, dying
from tests.settlement.world import World

AT_ONCE = {"bump_after": timedelta(0)}
BLOCKS = 5


def attempts_of(world: World) -> Sequence[Any]:
    return sorted(world.rows(attempts), key=lambda attempt: attempt.sequence)


def pass_by(world: World, blocks: int) -> None:
    """Let blocks pass that do not hold the lane's transaction."""
    for _ in range(blocks):
        world.anvil.call("anvil_dropAllTransactions")
        world.mine()
        world.runner.turn()


@pytest.fixture
def eager(build_world: Callable[..., World]) -> World:
    """A campaign's creation is in the pool, of a lane that waits for blocks only."""
    world = build_world(**AT_ONCE, bump_blocks=BLOCKS)
    world.campaign()
    world.index()
    world.runner.turn()
    return world


def test_stuck_transaction_is_replaced_at_a_higher_fee_when_blocks_pass_it_by(
    eager: World,
) -> None:
    pass_by(eager, BLOCKS - 1)
    assert len(attempts_of(eager)) == 1
    pass_by(eager, 1)
    first, second = attempts_of(eager)
    assert first.nonce == second.nonce
    assert 8 * second.max_fee_per_gas_wei >= 9 * first.max_fee_per_gas_wei
    assert 8 * second.max_priority_fee_per_gas_wei >= 9 * first.max_priority_fee_per_gas_wei
    pass_by(eager, BLOCKS - 1)
    assert len(attempts_of(eager)) == 2, "patience starts anew with each replacement"
    eager.mine()
    eager.index()
    eager.runner.turn()
    assert eager.rows(nonce_slots)[0].state == "mined_ok"


def test_fees_do_not_climb_while_the_chain_stands_still(eager: World) -> None:
    for _ in range(20):
        eager.runner.turn()
    (only,) = attempts_of(eager)
    assert only.sends > 20


def test_fees_do_not_climb_while_gas_money_is_missing(eager: World) -> None:
    eager.anvil.call("anvil_setBalance", to_hex(eager.lane.sender), "0x0")
    pass_by(eager, 3 * BLOCKS)
    (only,) = attempts_of(eager)
    assert only.last_answer.startswith("no_gas_money")


def test_replacement_is_sent_when_the_process_died_after_storing_it(
    build_world: Callable[..., World],
) -> None:
    """Survives: death between the commit of a replacement and the commit of its intent."""
    world = build_world(**AT_ONCE, bump_blocks=0)
    world.campaign()
    world.index()
    world.runner.turn()
    world.anvil.call("anvil_dropAllTransactions")
    engine = world.lane.engine
    # the first attempt's intent and answer, then the replacement
    world.restart(engine=dying(engine, commit=3, moment="after"))
    with pytest.raises(Crash):
        world.runner.turn()
    assert [attempt.intent_at is None for attempt in attempts_of(world)] == [False, True]
    world.anvil.call("anvil_dropAllTransactions")
    world.restart(engine=engine)
    nonce = attempts_of(world)[0].nonce
    assert not replace_stuck(
        world.lane, world.lane.prices(), mined_nonces=nonce, head_number=BlockNumber(10**6)
    )
    world.runner.turn()
    assert attempts_of(world)[1].sent_at is not None
    world.mine()
    world.index()
    world.runner.turn()
    assert world.rows(nonce_slots)[0].state == "mined_ok"
