"""Payments that expire on-chain before their confirmation get another name, once that is safe."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from settlement.control import retry_request
from settlement.tables import batches, requests
from tests.settlement.soundness import assert_sound
from tests.settlement.world import OAKS_KIND, World

LIFE = timedelta(minutes=20)


def generations(world: World) -> Sequence[Any]:
    with world.lane.engine.connect() as connection:
        return connection.execute(select(requests).order_by(requests.c.generation)).all()


def created_but_not_funded(build_world: Callable[..., World]) -> World:
    """A payment waits on-chain for tokens that do not come; its time passes."""
    world = build_world(tokens_of_admin=0, payment_life=LIFE)
    world.pledge(world.live_treasury(kind=OAKS_KIND))
    world.settle_down(
        lambda: (
            {row.reason for row in world.rows(requests)} != {None}
            and any(batch.kind == "create_payments" for batch in world.rows(batches))
            and world.states() == {"blocked": 1}
        )
    )
    return world


def test_expired_payment_is_issued_anew_and_settled_once_its_expiry_is_final(
    build_world: Callable[..., World],
) -> None:
    world = created_but_not_funded(build_world)
    world.anvil.call("evm_increaseTime", int(LIFE.total_seconds()) + 60)
    world.mine()
    world.index()
    world.runner.turn()
    assert world.states() == {"blocked": 1}, "its expiry is not final yet"
    for _ in range(4):
        world.mine()
        world.index()
        world.runner.turn()
    world.give_tokens(generations(world)[0].treasury)
    world.settle_down(lambda: world.states() == {"superseded": 1, "settled": 1})
    first, second = generations(world)
    assert (first.generation, second.generation) == (0, 1)
    assert second.root_id == first.request_id != second.request_id
    assert second.payment_id != first.payment_id
    assert_sound(world, payments=1)


def test_expired_payment_is_not_issued_anew_while_its_confirmation_may_be_mined(
    build_world: Callable[..., World],
) -> None:
    """Survives: a confirmation in the pool while somebody else blocks its payment."""
    world = created_but_not_funded(build_world)
    (row,) = generations(world)
    world.give_tokens(row.treasury)
    world.settle_down(lambda: any(b.kind == "confirm_payments" for b in world.rows(batches)))
    world.anvil.call("anvil_dropAllTransactions")
    with world.lane.engine.begin() as connection:
        connection.execute(
            requests.update().values(state="blocked", reason="expired: said by an operator")
        )
    world.anvil.call("evm_increaseTime", int(LIFE.total_seconds()) + 60)
    for _ in range(5):
        world.anvil.call("anvil_dropAllTransactions")
        world.mine()
        world.index()
        world.runner.turn()
    assert [row.generation for row in generations(world)] == [0]
    with world.lane.engine.begin() as connection:
        assert retry_request(connection, row.request_id, "the block was a mistake")
    world.settle_down(lambda: world.states() == {"superseded": 1, "settled": 1})
    assert_sound(world, payments=1)
