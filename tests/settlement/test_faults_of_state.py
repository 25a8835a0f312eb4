"""Faults of databases, contracts, processes and clocks, each ending with payments settled once.

Numbers are those of ``docs/decisions/0007``, which says where each fault is tried.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from eth_abi.abi import encode
from sqlalchemy import delete, update

from indexer.chain.types import to_checksum
from settlement.calldata import selector
from settlement.control import retry_request
from settlement.runner import Runner
from settlement.tables import (
    attempts,
    batch_items,
    batches,
    nonce_slots,
    requests,
    signers,
)
from tests.settlement.soundness import assert_sound
from tests.settlement.trouble import PAYMENTS, funded, mode, pledge_all, release
from tests.settlement.world import ADMIN, CREATOR, World


def test_f9_a_transaction_that_the_restored_database_forgot_is_adopted_by_its_calldata(
    world: World,
) -> None:
    """Survives: a restore to the moment between the sealing and the signing of a batch."""
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    world.mine()
    forgotten = max(world.rows(attempts), key=lambda one: one.nonce)
    with world.lane.engine.begin() as connection:
        connection.execute(delete(attempts).where(attempts.c.tx_hash == forgotten.tx_hash))
        connection.execute(
            update(nonce_slots)
            .where(nonce_slots.c.nonce == forgotten.nonce)
            .values(state="reserved")
        )
    world.restart()
    world.runner.turn()
    assert mode(world) == "active"
    assert forgotten.tx_hash in {one.tx_hash for one in world.rows(attempts)}
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)


def test_f9_a_signer_stops_when_the_restored_database_forgot_whole_batches(world: World) -> None:
    """Survives: a restore to before the sealing; what is on-chain settles by the index alone."""
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    world.mine()
    forget_newest_batch(world)
    world.restart()
    world.runner.turn()
    assert mode(world) == "quarantine"
    world.settle_down(world.all_settled)
    assert len(world.confirmed_logs()) == PAYMENTS
    release(world)
    world.pledge(treasury)
    world.settle_down(world.all_settled)
    assert len(world.confirmed_logs()) == PAYMENTS + 1


def forget_newest_batch(world: World) -> None:
    """Leave the tables as they were before the newest batch was sealed."""
    newest = max(world.rows(nonce_slots), key=lambda slot: slot.nonce)
    with world.lane.engine.begin() as connection:
        connection.execute(delete(attempts).where(attempts.c.nonce == newest.nonce))
        connection.execute(delete(nonce_slots).where(nonce_slots.c.nonce == newest.nonce))
        connection.execute(
            update(requests)
            .where(requests.c.batch_id == newest.batch_id)
            .values(state="ready", batch_id=None)
        )
        connection.execute(delete(batch_items).where(batch_items.c.batch_id == newest.batch_id))
        connection.execute(delete(batches).where(batches.c.id == newest.batch_id))
        connection.execute(update(signers).values(next_nonce=newest.nonce))


def test_f11_the_others_settle_when_one_was_confirmed_by_another_hand_after_the_trial(
    world: World,
) -> None:
    """Survives: one payment of a batch is settled by somebody else between trial and block."""
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    world.anvil.call("anvil_dropAllTransactions")
    first = world.rows(requests)[0]
    call = selector("settleBatch(address,(bytes32,bytes32,bytes32,address,uint256)[])")
    call += encode(
        ["address", "(bytes32,bytes32,bytes32,address,uint256)[]"],
        [
            to_checksum(first.token),
            [
                (
                    first.payment_id,
                    first.buyer_commitment,
                    first.item_id,
                    "0x" + "00" * 20,
                    int(first.amount_base_units),
                )
            ],
        ],
    )
    world.send_through_adapter(treasury, call)
    world.settle_down(world.all_settled)
    assert sorted(world.confirmed_logs()) == sorted(row.payment_id for row in world.rows(requests))
    assert sum(slot.state == "mined_failed" for slot in world.rows(nonce_slots)) == 1


def test_f13_payments_wait_for_funding_that_a_reorg_took_and_resume_by_themselves(
    world: World,
) -> None:
    treasury = world.live_treasury()
    pledge_all(world, treasury)
    world.settle_down(lambda: "settle_payments" in world.kinds_sealed())
    world.anvil.call("anvil_dropAllTransactions")
    world.anvil.call("anvil_reorg", 1, [])
    world.settle_down(world.all_settled)
    assert not any(slot.state == "mined_failed" for slot in world.rows(nonce_slots))
    assert_sound(world, payments=PAYMENTS)


def test_f16_a_process_that_slept_through_a_whole_settlement_changes_nothing(
    world: World,
) -> None:
    """Survives: SIGSTOP between reading what is open and writing what became of it."""
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    world.mine()
    asleep = Runner(replace(world.lane, reader=Sleeping(world)))  # type: ignore[arg-type]
    asleep.start()
    asleep.turn()
    assert world.all_settled()
    assert_sound(world, payments=PAYMENTS)
    asleep.turn()
    assert world.all_settled()


class Sleeping:
    """A reader whose process is stopped at its first receipt, until everything is settled."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._slept = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.reader, name)

    def transaction_receipt(self, tx_hash: Any) -> Any:
        receipt = self._world.reader.transaction_receipt(tx_hash)
        if not self._slept:
            self._slept = True
            self._world.settle_down(self._world.all_settled)
        return receipt


def test_f18_expiry_is_the_chains_time_and_not_ours(build_world: Callable[..., World]) -> None:
    world = build_world(payment_life=timedelta(days=30))
    treasury = funded(world)
    world.anvil.call("evm_increaseTime", 40 * 86_400)  # our clock is forty days behind
    world.mine()
    pledge_all(world, treasury)
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)


def test_f19_receipts_settle_nothing_while_the_index_does_not_follow(world: World) -> None:
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    for _ in range(12):
        world.runner.turn()
        world.mine()
    assert {slot.state for slot in world.rows(nonce_slots)} == {"mined_ok"}
    assert world.states() == {"batched": PAYMENTS}
    world.settle_down(world.all_settled)


def test_f21_nothing_is_retried_in_a_storm_when_the_platforms_admin_was_rotated(
    world: World,
) -> None:
    treasury = funded(world)
    params = world.deployment.contracts.global_params
    rotate = selector("updatePlatformAdminAddress(bytes32,address)")
    for admin in (to_checksum(CREATOR), ADMIN.address):
        world.send_as(
            world.deployment.protocol_admin,
            params,
            rotate + encode(["bytes32", "address"], [world.deployment.platform.hash, admin]),
        )
        world.mine()
        if admin == ADMIN.address:
            break
        pledge_all(world, treasury)
        sealed = len(world.rows(batches))
        asked = Counting(world)
        world.restart(reader=asked)
        for _ in range(10):
            world.index()
            world.runner.turn()
            world.mine()
        assert len(world.rows(batches)) == sealed
        assert {row.reason for row in world.rows(requests)} == {
            "treasury: the signer is not the platform admin"
        }
        assert asked.estimates <= 2, "one trial a minute, not one a turn"
        world.restart(reader=world.reader)
    with world.lane.engine.begin() as connection:
        for row in world.rows(requests):
            assert retry_request(connection, row.request_id, "rotated back")
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)


class Counting:
    """A reader that counts trials."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.estimates = 0

    def __getattr__(self, name: str) -> Any:
        self.estimates += name == "estimate_gas"
        return getattr(self._world.reader, name)


@pytest.mark.parametrize("stops", ["pauseTreasury(bytes32)", "cancelTreasury(bytes32)"])
def test_f21_a_treasury_closed_while_its_batch_is_in_the_pool_costs_one_transaction(
    world: World, stops: str
) -> None:
    treasury = funded(world)
    pledge_all(world, treasury)
    world.index()
    world.runner.turn()
    world.anvil.call("anvil_dropAllTransactions")
    world.send_through_adapter(treasury, selector(stops) + bytes(32))
    for _ in range(8):
        world.index()
        world.runner.turn()
        world.mine()
    assert world.states() == {"blocked": PAYMENTS}
    assert sum(slot.state == "mined_failed" for slot in world.rows(nonce_slots)) == 1
