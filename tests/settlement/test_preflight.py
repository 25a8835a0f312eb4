"""Which payments a trial drops, tried against a real treasury."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from eth_hash.auto import keccak

from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, PaymentId, TokenAmount, to_hex
from indexer.errors import RpcError
from settlement import calldata
from settlement.batching import Limits
from settlement.kinds import kind_named
from settlement.preflight import Call, Passed, Shortage, try_batch
from settlement.types import DueRequest
from tests.settlement.builders import due
from tests.settlement.world import World

BOUNDS = Limits(items=50, gas=12_000_000)
KIND = kind_named("payment-treasury")


@pytest.fixture
def treasury(world: World) -> Address:
    return world.live_treasury()


def payment(world: World, treasury: Address, name: str) -> DueRequest:
    return replace(
        due(request_id=uuid.uuid4()),
        treasury=treasury,
        token=world.deployment.tokens[0].address,
        payment_id=PaymentId(keccak(name.encode())),
    )


def try_create(world: World, treasury: Address, requests: list[DueRequest]) -> Passed:
    expiration = datetime.now(UTC) + timedelta(days=1)
    call = Call(treasury, lambda items: KIND.create_calldata(items, expiration), KIND.create_gas)
    return try_batch(world.lane, call, requests, BOUNDS)


def send(world: World, treasury: Address, data: bytes) -> None:
    """Send as the platform's admin, outside of the lane."""
    admin = to_hex(world.lane.sender)
    world.anvil.call("anvil_impersonateAccount", admin)
    transaction = {"from": admin, "to": to_hex(treasury), "data": to_hex(data)}
    world.anvil.call("eth_sendTransaction", {**transaction, "gas": hex(2_000_000)})
    world.anvil.call("anvil_stopImpersonatingAccount", admin)
    world.mine()


def test_try_batch_drops_just_the_payment_that_exists_already(
    world: World, treasury: Address
) -> None:
    good, known, last = (payment(world, treasury, name) for name in "abc")
    send(
        world,
        treasury,
        calldata.create_payments([known], datetime.now(UTC) + timedelta(days=1)),
    )
    passed = try_create(world, treasury, [good, known, last])
    assert passed.items == (good, last)
    assert passed.moves == {}, "the index will tell where it is"
    assert passed.gas_limit > 100_000


def test_try_batch_isolates_the_one_at_fault_when_the_error_names_none(
    world: World, treasury: Address
) -> None:
    waiting = [payment(world, treasury, str(n)) for n in range(6)]
    waiting[4] = replace(waiting[4], amount_base_units=TokenAmount(0))
    first = try_create(world, treasury, waiting)
    assert first.items == tuple(waiting[:3])
    second = try_create(world, treasury, waiting[3:])
    assert second.items == (waiting[3],)
    third = try_create(world, treasury, waiting[4:])
    assert third.items == ()
    assert third.moves[waiting[4].request_id].state == "quarantined"
    assert "zero amount" in (third.moves[waiting[4].request_id].reason or "")


def test_try_batch_blocks_all_for_a_while_when_the_treasury_is_paused(
    world: World, treasury: Address
) -> None:
    send(world, treasury, calldata.selector("pauseTreasury(bytes32)") + bytes(32))
    waiting = [payment(world, treasury, name) for name in "ab"]
    passed = try_create(world, treasury, waiting)
    assert passed.items == ()
    assert {move.state for move in passed.moves.values()} == {"blocked"}
    assert {move.reason for move in passed.moves.values()} == {"treasury: treasury paused"}


def test_try_batch_cuts_to_what_the_gas_bound_allows(world: World, treasury: Address) -> None:
    waiting = [payment(world, treasury, str(n)) for n in range(20)]
    call = Call(
        treasury,
        lambda items: KIND.create_calldata(items, datetime.now(UTC) + timedelta(days=1)),
        lambda _items: 0,  # a gas model that is far too hopeful
    )
    passed = try_batch(world.lane, call, waiting, Limits(items=50, gas=800_000))
    assert 1 < len(passed.items) < 10
    assert passed.items == tuple(waiting[: len(passed.items)])
    assert passed.gas_limit <= 800_000


def test_try_batch_confirms_nothing_when_tokens_are_missing(
    world: World, treasury: Address
) -> None:
    created = payment(world, treasury, "a")
    expiration = datetime.now(UTC) + timedelta(days=1)
    send(world, treasury, calldata.create_payments([created], expiration))
    call = Call(treasury, KIND.confirm_calldata, KIND.confirm_gas)
    passed = try_batch(world.lane, call, [created], BOUNDS)
    assert (passed.items, passed.moves) == ((), {})
    assert passed.shortage == Shortage(
        (created,), "treasury short of tokens (100, 0)", free=TokenAmount(0)
    )


def test_try_batch_halves_what_the_node_finds_too_large_to_try(
    world: World, treasury: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ChainReader.estimate_gas

    def estimate_gas(self: ChainReader, transaction: Mapping[str, object]) -> int:
        if len(str(transaction["data"])) > 6_000:
            raise RpcError(-32000, "gas required exceeds allowance (50000000)")
        return honest(self, transaction)

    monkeypatch.setattr(ChainReader, "estimate_gas", estimate_gas)
    waiting = [payment(world, treasury, str(n)) for n in range(16)]
    passed = try_create(world, treasury, waiting)
    assert passed.items == tuple(waiting[: len(passed.items)])
    assert 1 < len(passed.items) < 16
    assert passed.moves == {}
