"""What comes after settlement: refunds, withdrawals, fees; each once, whatever dies between."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import ProgrammingError

from indexer.chain.types import Address, TokenAmount
from settlement.action_intake import (
    request_disbursement,
    request_refund,
    request_transfer,
    request_withdrawal,
)
from settlement.lifecycle import RETRY_AFTER
from settlement.record_tables import actions
from settlement.tables import batches, requests
from tests.settlement.faults import Crash, dying
from tests.settlement.world import CENTAVO, CREATOR, OAKS_KIND, OUR_KIND, World

AMOUNT = 5_000 * CENTAVO
BUYER_SIDE = Address(b"\x21" * 20)


def refund(world: World, payment: uuid.UUID, *, recipient: Address | None = None) -> uuid.UUID:
    action_id = uuid.uuid4()
    # Only settlement's own role may name a recipient.
    engine = world.offchain if recipient is None else world.lane.engine
    with engine.begin() as connection:
        assert request_refund(
            connection,
            action_id=action_id,
            request_id=payment,
            recipient=recipient,
            requested_by="a test",
        )
    return action_id


def withdraw(world: World, treasury: Address, *, payout_to: Address | None = None) -> uuid.UUID:
    action_id = uuid.uuid4()
    engine = world.offchain if payout_to is None else world.lane.engine
    with engine.begin() as connection:
        assert request_withdrawal(
            connection,
            action_id=action_id,
            chain_id=world.lane.chain_id,
            treasury=treasury,
            payout_to=payout_to,
            requested_by="a test",
        )
    return action_id


def action(world: World, action_id: uuid.UUID) -> Any:
    with world.lane.engine.connect() as connection:
        return connection.execute(select(actions).where(actions.c.action_id == action_id)).one()


def state(world: World, payment: uuid.UUID) -> str:
    with world.lane.engine.connect() as connection:
        return str(
            connection.execute(
                select(requests.c.state).where(requests.c.request_id == payment)
            ).scalar_one()
        )


def is_done(world: World, action_id: uuid.UUID) -> bool:
    return bool(action(world, action_id).state == "done")


def kinds(world: World) -> list[str]:
    return [batch.kind for batch in world.rows(batches)]


def test_refund_of_a_waiting_payment_sends_nothing_and_it_is_never_sealed(world: World) -> None:
    treasury = world.live_treasury()
    payment = world.pledge(treasury)
    refunded = refund(world, payment)
    with world.offchain.begin() as connection:
        assert not request_refund(
            connection,
            action_id=uuid.uuid4(),
            request_id=payment,
            recipient=None,
            requested_by="again",
        )
    before = len(kinds(world))
    with world.lane.engine.begin() as connection:  # as if it had been blocked before its batch
        connection.execute(requests.update().values(state="blocked", reason="funding: none"))
    world.settle_down(lambda: is_done(world, refunded))
    assert state(world, payment) == "void"
    for _ in range(3):
        world.runner.turn()
        world.mine()
    assert [kind for kind in kinds(world)[before:] if kind != "fund"] == []


def test_refund_waits_for_a_payment_under_way_and_then_brings_its_tokens_home(
    world: World,
) -> None:
    treasury = world.live_treasury()
    payment = world.pledge(treasury)
    world.settle_down(lambda: "settle_payments" in kinds(world))
    refunded = refund(world, payment, recipient=BUYER_SIDE)
    world.runner.turn()
    assert action(world, refunded).reason == "waits for the payment's own transaction"
    world.settle_down(lambda: is_done(world, refunded))
    assert state(world, payment) == "refunded"
    assert world.tokens_of(BUYER_SIDE) == AMOUNT
    assert world.tokens_of(treasury) == 0


def test_refund_cancels_a_payment_that_only_was_created(
    build_world: Callable[..., World],
) -> None:
    world = build_world(tokens_of_admin=0)
    payment = world.pledge(world.live_treasury(kind=OAKS_KIND))
    world.settle_down(lambda: world.states() == {"blocked": 1})
    refunded = refund(world, payment)
    world.settle_down(lambda: is_done(world, refunded))
    assert action(world, refunded).reason == "cancelled on-chain"
    assert state(world, payment) == "void"


def test_refund_is_blocked_with_its_reason_when_the_creator_withdrew_and_resumes(
    world: World,
) -> None:
    treasury = world.live_treasury()
    payment = world.pledge(treasury)
    world.settle_down(world.all_settled)
    withdrawn = withdraw(world, treasury)
    world.settle_down(lambda: is_done(world, withdrawn))
    assert world.tokens_of(CREATOR) == AMOUNT
    refunded = refund(world, payment)
    world.settle_down(lambda: action(world, refunded).state == "blocked")
    assert action(world, refunded).reason.startswith("treasury: too few tokens to refund")
    assert state(world, payment) == "settled"
    world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"settled": 2})
    with world.lane.engine.begin() as connection:
        long_ago = func.now() - RETRY_AFTER * 2
        connection.execute(actions.update().values(state_since=long_ago))
    world.settle_down(lambda: is_done(world, refunded))
    assert world.states() == {"settled": 1, "refunded": 1}


def test_withdrawal_without_anything_left_is_done_without_a_transaction(world: World) -> None:
    treasury = world.live_treasury()
    before = kinds(world)
    withdrawn = withdraw(world, treasury)
    world.settle_down(lambda: is_done(world, withdrawn))
    assert action(world, withdrawn).reason.startswith("nothing is left")
    assert kinds(world) == before


def test_fees_are_disbursed_and_tokens_transferred_once(world: World) -> None:
    treasury = world.live_treasury()
    ids = [uuid.uuid4(), uuid.uuid4()]
    with world.lane.engine.begin() as connection:
        for _ in range(2):
            request_disbursement(
                connection,
                action_id=ids[0],
                chain_id=world.lane.chain_id,
                treasury=treasury,
                requested_by="a test",
            )
            request_transfer(
                connection,
                action_id=ids[1],
                chain_id=world.lane.chain_id,
                treasury=treasury,
                sender=None,
                recipient=BUYER_SIDE,
                amount=TokenAmount(77),
                requested_by="a test",
            )
    world.settle_down(lambda: all(is_done(world, one) for one in ids))
    assert world.tokens_of(BUYER_SIDE) == 77
    assert kinds(world).count("disburse_fees") == kinds(world).count("transfer_tokens") == 1


def test_refunded_payment_is_settled_again_by_nobody_after_a_reorg_of_its_refund(
    world: World,
) -> None:
    """Survives: the refund's block is replaced; the same bytes are mined again, once."""
    treasury = world.live_treasury()
    payment = world.pledge(treasury)
    world.settle_down(world.all_settled)
    refunded = refund(world, payment, recipient=BUYER_SIDE)
    world.settle_down(lambda: action(world, refunded).state == "included")
    world.anvil.call("anvil_reorg", 1, [])
    world.index()
    world.runner.turn()
    assert action(world, refunded).state == "sealed"
    assert state(world, payment) == "settled"
    world.settle_down(lambda: is_done(world, refunded))
    assert world.tokens_of(BUYER_SIDE) == AMOUNT
    assert kinds(world).count("refund_payment") == 1


@pytest.mark.parametrize("kind", [OUR_KIND, OAKS_KIND])
def test_refunds_are_made_once_when_killed_after_each_commit(world: World, kind: str) -> None:
    """Survives: death between the asking, the sealing, the sending and the finality of a refund."""
    treasury = world.live_treasury(kind=kind)
    engine = world.lane.engine
    kills = 0
    while True:
        payment = world.pledge(treasury)
        world.settle_down(lambda one=payment: state(world, one) == "settled")  # type: ignore[misc]
        done = partial(is_done, world, refund(world, payment, recipient=BUYER_SIDE))
        world.restart(engine=dying(engine, commit=kills + 1, moment="after"))
        died = False
        try:
            world.settle_down(done)
        except Crash:
            died = True
        world.restart(engine=engine)
        world.settle_down(done)
        assert world.tokens_of(BUYER_SIDE) == AMOUNT * (kills + 1)
        if not died:
            break
        kills += 1
    assert kills > 5, "the kills did not reach every step"
    assert world.states() == {"refunded": kills + 1}


def test_off_chain_can_make_no_wallet_pay_anybody(world: World) -> None:
    """Survives: a web process that was taken over and writes what it likes."""
    treasury = world.live_treasury()
    payment = world.pledge(treasury)
    transfer = partial(
        request_transfer,
        action_id=uuid.uuid4(),
        chain_id=world.lane.chain_id,
        treasury=treasury,
        sender=None,
        recipient=BUYER_SIDE,
        amount=TokenAmount(1),
        requested_by="a thief",
    )
    refund_to_me = partial(
        request_refund,
        action_id=uuid.uuid4(),
        request_id=payment,
        recipient=BUYER_SIDE,
        requested_by="a thief",
    )
    asks: list[Callable[[Connection], bool]] = [transfer, refund_to_me]
    for ask in asks:
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            world.offchain.begin() as connection,
        ):
            ask(connection)
