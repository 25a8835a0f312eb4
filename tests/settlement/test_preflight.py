"""Which payments a trial drops, tried against a real treasury."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, PaymentId, TokenAmount, to_hex
from indexer.errors import RpcError
from settlement import calldata
from settlement.batching import Limits
from settlement.calldata import selector
from settlement.kinds import kind_named
from settlement.lifecycle import Move
from settlement.preflight import Call, Passed, Shortage, estimate, try_batch
from settlement.types import DueRequest, PaymentStep
from tests.settlement.builders import due
from tests.settlement.world import OUR_KIND, SUPPLY, World

BOUNDS = Limits(items=50, gas=12_000_000)
FIRST_STEPS: tuple[PaymentStep, ...] = ("create", "settle")
KIND = kind_named(OUR_KIND)


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


def call_of(
    treasury: Address, step: PaymentStep, *, gas: Callable[[int], int] | None = None
) -> Call:
    expiration = datetime.now(UTC) + timedelta(days=1)
    return Call(
        treasury,
        lambda items: KIND.encode(step, items, expiration=expiration),
        gas or (lambda items: KIND.gas(step, items)),
    )


def try_step(
    world: World, treasury: Address, requests: list[DueRequest], step: PaymentStep = "create"
) -> Passed:
    return try_batch(world.lane, call_of(treasury, step), requests, BOUNDS)


def give_tokens(world: World, treasury: Address) -> None:
    token, owner = world.deployment.tokens[0].address, world.deployment.protocol_admin
    mint = selector("mint(address,uint256)")
    world.send_as(owner, token, mint + encode(["address", "uint256"], [to_hex(treasury), SUPPLY]))
    world.mine()


def send(world: World, treasury: Address, data: bytes) -> None:
    """Send as the platform's admin, outside of the lane."""
    admin = to_hex(world.lane.sender)
    world.anvil.call("anvil_impersonateAccount", admin)
    transaction = {"from": admin, "to": to_hex(treasury), "data": to_hex(data)}
    world.anvil.call("eth_sendTransaction", {**transaction, "gas": hex(2_000_000)})
    world.anvil.call("anvil_stopImpersonatingAccount", admin)
    world.mine()


@pytest.mark.parametrize("step", FIRST_STEPS)
def test_try_batch_drops_just_the_payment_that_exists_already(
    world: World, treasury: Address, step: PaymentStep
) -> None:
    give_tokens(world, treasury)
    good, known, last = (payment(world, treasury, name) for name in "abc")
    send(
        world,
        treasury,
        calldata.create_payments([known], datetime.now(UTC) + timedelta(days=1)),
    )
    passed = try_step(world, treasury, [good, known, last], step)
    assert passed.items == (good, last)
    assert passed.moves == {}, "the index will tell where it is"
    assert passed.gas_limit > 100_000


@pytest.mark.parametrize("step", FIRST_STEPS)
def test_try_batch_quarantines_just_the_payment_too_large_for_the_treasury(
    world: World, treasury: Address, step: PaymentStep
) -> None:
    give_tokens(world, treasury)
    waiting = [payment(world, treasury, name) for name in "abcde"]
    waiting[2] = replace(waiting[2], amount_base_units=TokenAmount(2**96))
    passed = try_step(world, treasury, waiting, step)
    assert passed.items == (*waiting[:2], *waiting[3:])
    reason = f"larger than the treasury can keep (96, {2**96})"
    assert passed.moves == {waiting[2].request_id: Move("quarantined", reason)}


@pytest.mark.parametrize("step", FIRST_STEPS)
def test_try_batch_isolates_the_one_at_fault_when_the_error_names_none(
    world: World, treasury: Address, step: PaymentStep
) -> None:
    give_tokens(world, treasury)
    waiting = [payment(world, treasury, str(n)) for n in range(6)]
    waiting[4] = replace(waiting[4], amount_base_units=TokenAmount(0))
    first = try_step(world, treasury, waiting, step)
    assert first.items == tuple(waiting[:3])
    second = try_step(world, treasury, waiting[3:], step)
    assert second.items == (waiting[3],)
    third = try_step(world, treasury, waiting[4:], step)
    assert third.items == ()
    assert third.moves[waiting[4].request_id].state == "quarantined"
    assert "zero amount" in (third.moves[waiting[4].request_id].reason or "")


@pytest.mark.parametrize("step", FIRST_STEPS)
def test_try_batch_blocks_all_for_a_while_when_the_treasury_is_paused(
    world: World, treasury: Address, step: PaymentStep
) -> None:
    send(world, treasury, calldata.selector("pauseTreasury(bytes32)") + bytes(32))
    waiting = [payment(world, treasury, name) for name in "ab"]
    passed = try_step(world, treasury, waiting, step)
    assert passed.items == ()
    assert {move.state for move in passed.moves.values()} == {"blocked"}
    assert {move.reason for move in passed.moves.values()} == {"treasury: treasury paused"}


def test_try_batch_cuts_to_what_the_gas_bound_allows(world: World, treasury: Address) -> None:
    waiting = [payment(world, treasury, str(n)) for n in range(20)]
    call = call_of(treasury, "create", gas=lambda _items: 0)  # a far too hopeful model
    passed = try_batch(world.lane, call, waiting, Limits(items=50, gas=400_000))
    assert 1 < len(passed.items) < 10
    assert passed.items == tuple(waiting[: len(passed.items)])
    assert passed.gas_limit <= 400_000


def test_try_batch_confirms_nothing_when_tokens_are_missing(
    world: World, treasury: Address
) -> None:
    created, new = payment(world, treasury, "a"), payment(world, treasury, "b")
    expiration = datetime.now(UTC) + timedelta(days=1)
    send(world, treasury, calldata.create_payments([created], expiration))
    steps: tuple[tuple[PaymentStep, DueRequest], ...] = (("confirm", created), ("settle", new))
    for step, one in steps:
        passed = try_step(world, treasury, [one], step)
        assert (passed.items, passed.moves) == ((), {})
        assert passed.shortage == Shortage(
            (one,), "treasury short of tokens (100, 0)", free=TokenAmount(0)
        )


@pytest.mark.parametrize("step", FIRST_STEPS)
def test_gas_model_foresees_little_more_than_the_treasury_needs(
    world: World, treasury: Address, step: PaymentStep
) -> None:
    """A model that foresees too little costs trials, one that foresees too much costs room."""
    give_tokens(world, treasury)
    call = call_of(treasury, step)
    for count, slack in ((1, 0.5), (100, 0.05)):
        waiting = [payment(world, treasury, str(n)) for n in range(count)]
        needed = estimate(world.lane, treasury, call.encode(waiting))
        assert isinstance(needed, int)
        assert 1 - slack < needed / call.predicted_gas(count) <= 1


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
    passed = try_step(world, treasury, waiting)
    assert passed.items == tuple(waiting[: len(passed.items)])
    assert 1 < len(passed.items) < 16
    assert passed.moves == {}
