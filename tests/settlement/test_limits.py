"""What bounds sealing: runs of a campaign, turns between campaigns, the day's gas, its worth."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from indexer.chain.types import Address, Wei
from indexer.errors import RpcError
from settlement.batching import BATCH_PAYMENTS_MAX, RAW_BYTES_MAX, RUN_BATCHES_MAX
from settlement.fees import WorthBound
from settlement.lane import Policy
from settlement.record_tables import runs
from settlement.spending import gas_spent
from settlement.tables import attempts, batch_items, batches, nonce_slots, requests
from tests.settlement.soundness import assert_sound
from tests.settlement.world import World


def items_by_treasury(world: World) -> list[Address]:
    """The treasury of each payment batch, in the order of their nonces."""
    with world.lane.engine.connect() as connection:
        return list(
            connection.execute(
                select(batches.c.treasury)
                .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
                .where(batches.c.kind == "settle_payments")
                .order_by(nonce_slots.c.nonce)
            ).scalars()
        )


def test_run_takes_fifty_batches_of_five_thousand_payments() -> None:
    assert (BATCH_PAYMENTS_MAX, RUN_BATCHES_MAX) == (5_000, 50)
    assert Policy().run_payments_max == 250_000


def test_first_run_stops_at_its_quota_and_the_second_finishes(
    build_world: Callable[..., World],
) -> None:
    world = build_world(batch_payments_max=5, run_batches_max=2, batch_items_max=3)
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    for _ in range(11):
        world.pledge(treasury)
    world.settle_down(lambda: world.states().get("ready") == 1, turns=2)
    for _ in range(5):  # the quota is spent while its transactions are not mined
        world.runner.turn()
    assert world.states()["ready"] == 1
    (first,) = world.rows(runs)
    assert (first.payments, first.transactions, first.closed_at) == (10, 4, None)
    world.settle_down(world.all_settled)
    world.runner.turn()
    assert sorted((run.payments, run.closed_at is not None) for run in world.rows(runs)) == [
        (1, True),
        (10, True),
    ]
    assert_sound(world, payments=11)


def test_campaigns_take_turns_when_one_alone_could_fill_the_lane(
    build_world: Callable[..., World],
) -> None:
    world = build_world(batch_items_max=1, in_flight_max=4)
    large, small = world.live_treasury("grande"), world.live_treasury("pequena")
    world.give_tokens(large)
    world.give_tokens(small)
    for _ in range(6):
        world.pledge(large)
    world.pledge(small)
    world.index()
    world.runner.turn()
    assert sorted(items_by_treasury(world)) == sorted([large, large, large, small])
    world.settle_down(world.all_settled)
    assert_sound(world, payments=7)


def test_nothing_is_sealed_once_the_days_gas_is_spent_and_all_goes_on_when_it_is_raised(
    build_world: Callable[..., World],
) -> None:
    world = build_world()
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    with world.lane.engine.begin() as connection:
        spent = gas_spent(
            connection,
            chain_id=world.lane.chain_id,
            signer=world.lane.sender,
            unsigned_fee_wei=Wei(0),
        )
    paid = sum(slot.gas_used * slot.effective_gas_price_wei for slot in world.rows(nonce_slots))
    assert spent == paid > 0
    world.restart(policy=replace(world.lane.policy, gas_budget_wei=Wei(spent + 1)))
    world.pledge(treasury)
    for _ in range(4):
        world.index()
        world.runner.turn()
        world.mine()
    assert world.states() == {"ready": 1}
    world.restart(policy=replace(world.lane.policy, gas_budget_wei=Wei(10**19)))
    world.settle_down(world.all_settled)


def test_payment_waits_while_its_fee_is_above_the_bound_of_its_value_and_then_settles(
    build_world: Callable[..., World],
) -> None:
    dear = WorthBound(fee_bps_max=1, coin_price_minor=10**9)
    world = build_world(worth=dear)
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"blocked": 1})
    assert world.rows(requests)[0].reason.startswith("fee: ")
    with world.lane.engine.begin() as connection:
        connection.execute(requests.update().values(state_since=datetime(2026, 1, 1, tzinfo=UTC)))
    world.restart(policy=replace(world.lane.policy, worth=None))
    world.settle_down(world.all_settled)


def test_nothing_is_sealed_while_gas_is_above_the_cap(build_world: Callable[..., World]) -> None:
    world = build_world()
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    sealed = len(world.rows(batches))
    world.restart(policy=replace(world.lane.policy, max_fee_per_gas_wei=Wei(1)))
    world.pledge(treasury)
    for _ in range(3):
        world.index()
        world.runner.turn()
        world.mine()
    assert len(world.rows(batches)) == sealed
    world.restart(policy=replace(world.lane.policy, max_fee_per_gas_wei=Wei(10**12)))
    world.settle_down(world.all_settled)


@given(
    fee=st.integers(0, 10**22).map(Wei),
    value=st.integers(0, 10**30),
    bps=st.integers(1, 10_000),
    price=st.integers(1, 10**6),
)
def test_worth_is_monotone_in_fee_and_value(fee: Wei, value: int, bps: int, price: int) -> None:
    bound = WorthBound(fee_bps_max=bps, coin_price_minor=price)

    def worth(fee: int, value: int) -> bool:
        return bound.is_worth(Wei(fee), value_base_units=value, token_decimals=18)

    if worth(fee, value):
        assert worth(max(0, fee - 1), value)
        assert worth(fee, value + 1)


def test_what_every_node_refuses_is_given_up_to_a_no_op_and_its_payments_settle_in_smaller_ones(
    build_world: Callable[..., World],
) -> None:
    """Survives: a network that lowered its transaction gas cap below what was sealed."""
    world = build_world()
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    for _ in range(3):
        world.pledge(treasury)
    world.index()
    refusing = RefusingReader(world.lane.reader)
    world.restart(reader=refusing)
    for _ in range(4):
        world.runner.turn()
    world.restart(reader=refusing.reader)
    world.settle_down(world.all_settled)
    with world.lane.engine.connect() as connection:
        failed = connection.execute(
            select(func.count())
            .select_from(batch_items)
            .where(batch_items.c.released_at.is_not(None))
        ).scalar_one()
    assert failed == 3
    (slot,) = [slot for slot in world.rows(nonce_slots) if slot.state == "mined_failed"]
    assert slot.failure.startswith("given up to a no-op")
    assert_sound(world, payments=3)


class RefusingReader:
    """A chain whose nodes refuse every call as too large, and take what does nothing."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def send_raw_to_all(self, raw: bytes) -> list[Any]:
        if len(raw) > 300:
            return [RpcError(-32000, "transaction gas limit too high (cap: 1, tx: 2)")]
        return list(self.reader.send_raw_to_all(raw))


def test_f12_transactions_stay_below_what_pools_take_when_gas_would_allow_more(
    build_world: Callable[..., World],
) -> None:
    world = build_world()
    world.anvil.call("evm_setBlockGasLimit", hex(400_000_000))
    world.restart(network=replace(world.lane.network, gas_per_transaction_max=2**27))
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    for _ in range(900):
        world.pledge(treasury, amount=1)
    world.settle_down(world.all_settled)
    sizes = [len(attempt.raw) for attempt in world.rows(attempts)]
    assert RAW_BYTES_MAX * 9 // 10 < max(sizes) <= RAW_BYTES_MAX
    assert len(set(world.confirmed_logs())) == 900
