"""Which way a payment takes: settled in one call, or created and then confirmed."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from indexer.chain.types import to_hex
from settlement import retrying
from settlement.calldata import SETTLE_PAYMENTS_SIGNATURE, create_payments, selector
from settlement.control import retry_request
from settlement.due import open_requests
from settlement.lifecycle import TREASURY
from settlement.payments import NO_SETTLE_BATCH
from settlement.queries import request_statuses
from settlement.reporting.story import tell
from settlement.tables import batch_items, campaigns, nonce_slots, requests
from tests.settlement.soundness import assert_sound
from tests.settlement.world import CENTAVO, OAKS_KIND, OUR_KIND, World

PAYMENTS = 3


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        (OUR_KIND, ["fund", "settle_payments"]),
        ("mirror-payment-treasury", ["fund", "settle_payments"]),
        (OAKS_KIND, ["create_payments", "fund", "confirm_payments"]),
    ],
)
def test_captured_payments_settle_once_from_campaign_to_finality(
    world: World, kind: str, calls: list[str]
) -> None:
    treasury = world.live_treasury(kind=kind)
    ids = [world.pledge(treasury, amount=(n + 1) * CENTAVO) for n in range(12)]
    world.settle_down(world.all_settled)

    assert world.kinds_sealed() == calls
    token = world.deployment.tokens[0].address
    total = sum((n + 1) * CENTAVO for n in range(12))
    assert world.view(token, "balanceOf(address)", to_hex(treasury)) == total
    assert world.view(treasury, "getRaisedAmount()") == total
    assert_sound(world, payments=12)
    with world.lane.engine.connect() as connection:
        statuses = request_statuses(connection, ids)
    assert all(status.confirmed_tx is not None for status in statuses.values())
    assert {status.payment_id for status in statuses.values()} == set(world.confirmed_logs())


def test_payments_wait_for_the_launch_of_a_time_constrained_treasury(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    treasury = world.live_treasury(kind="time-constrained-payment-treasury")
    world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"blocked": 1})
    (row,) = world.rows(requests)
    assert row.reason.startswith("treasury: outside time window")
    assert world.tokens_of(treasury) == 0
    monkeypatch.setattr(retrying, "RETRY_AFTER", timedelta(0))
    world.anvil.call("evm_increaseTime", 3_600)
    world.settle_down(world.all_settled)
    assert world.kinds_sealed() == ["fund", "settle_payments"]


def change_kind(world: World, kind: str) -> None:
    with world.lane.engine.begin() as connection:
        connection.execute(campaigns.update().values(treasury_kind=kind))


def test_payments_created_before_are_confirmed_and_new_ones_settled(world: World) -> None:
    """Survives: an update of ours between the creation of a payment and its confirmation."""
    treasury = world.live_treasury(kind=OAKS_KIND)
    for _ in range(PAYMENTS):
        world.pledge(treasury)
    world.settle_down(lambda: world.kinds_sealed() == ["create_payments"])
    change_kind(world, OUR_KIND)
    world.pledge(treasury)
    world.settle_down(world.all_settled)
    carried = Counter(item.kind for item in world.rows(batch_items))
    assert carried == {
        "create_payments": PAYMENTS,
        "confirm_payments": PAYMENTS,
        "settle_payments": 1,
    }
    assert_sound(world, payments=PAYMENTS + 1)


def test_payment_is_confirmed_when_another_hand_creates_it_before_its_settlement_is_mined(
    world: World,
) -> None:
    """Survives: the settlement fails on-chain; nothing else is sent before that is final."""
    treasury = world.live_treasury()
    contested, other = world.pledge(treasury), world.pledge(treasury)
    world.settle_down(lambda: "settle_payments" in world.kinds_sealed())
    world.anvil.call("anvil_dropAllTransactions")
    with world.lane.engine.connect() as connection:
        (theirs,) = open_requests(
            connection, world.lane.chain_id, requests.c.request_id == contested
        )
    soon = datetime.now(UTC) + timedelta(days=1)
    world.send_through_adapter(treasury, create_payments([theirs], soon))
    world.mine()
    world.runner.turn()  # the same bytes go out again
    world.mine()
    world.index()
    world.runner.turn()
    assert world.states() == {"batched": 2}, "released only once the failure is final"
    (failed,) = [slot for slot in world.rows(nonce_slots) if slot.state == "mined_failed"]
    assert "already created" in failed.failure
    world.settle_down(world.all_settled)
    sealed = world.kinds_sealed()
    assert sorted(sealed) == ["confirm_payments", "fund", "settle_payments", "settle_payments"]
    with world.lane.engine.connect() as connection:
        story = tell(connection, other)
    assert story is not None
    assert [one.kind for one in story.generations[0].batches] == ["settle_payments"] * 2
    assert_sound(world, payments=2)


def test_payments_block_with_the_reason_when_the_treasury_knows_no_settle_batch(
    world: World,
) -> None:
    treasury = world.live_treasury()
    code = str(world.anvil.call("eth_getCode", to_hex(treasury), "latest"))
    refusing = without_settle_batch(bytes.fromhex(code[2:]))
    world.anvil.call("anvil_setCode", to_hex(treasury), to_hex(refusing))
    world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"blocked": 1})
    (row,) = world.rows(requests)
    assert row.reason == TREASURY + NO_SETTLE_BATCH
    assert world.tokens_of(treasury) == 0
    change_kind(world, OAKS_KIND)
    with world.lane.engine.begin() as connection:
        assert retry_request(connection, row.request_id, "its kind is mended")
    world.settle_down(world.all_settled)


def without_settle_batch(clone: bytes) -> bytes:
    """The code of an ERC-1167 clone that reverts without data when asked to settle."""
    implementation = clone[10:30]
    settle = selector(SETTLE_PAYMENTS_SIGNATURE)
    ask = b"\x5f\x35\x60\xe0\x1c\x63" + settle + b"\x14\x60\x37\x57"
    forward = b"\x36\x5f\x5f\x37\x5f\x5f\x36\x5f\x73" + implementation + b"\x5a\xf4"
    answer = b"\x3d\x5f\x5f\x3e\x60\x3b\x57\x3d\x5f\xfd"
    code = ask + forward + answer
    refuse, give = b"\x5b\x5f\x5f\xfd", b"\x5b\x3d\x5f\xf3"
    assert ask[-2] == len(code)
    assert answer[5] == len(code) + len(refuse)
    return code + refuse + give


def test_plan_is_cut_into_transactions_at_once_and_who_comes_later_waits_for_company(
    world: World,
) -> None:
    small = replace(world.lane.network, gas_per_transaction_max=400_000)  # about 8 payments
    world.restart(network=small)
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    for _ in range(20):
        world.pledge(treasury)
    world.settle_down(lambda: "settle_payments" in world.kinds_sealed())
    assert world.kinds_sealed() == ["settle_payments"] * 3
    for _ in range(2):
        world.pledge(treasury)
    for _ in range(4):
        world.runner.turn()
    assert world.states() == {"batched": 20, "ready": 2}
    world.settle_down(world.all_settled)
    sizes = Counter(item.batch_id for item in world.rows(batch_items))
    assert sorted(sizes.values()) == [2, 6, 7, 7]
    assert_sound(world, payments=22)
