"""Treasuries called through the platform's adapter, which hides why a call failed."""

import pytest
from eth_abi.abi import encode

from indexer.chain.types import Address, address_from_hex, to_checksum, to_hex
from settlement.calldata import selector
from settlement.routes import DIRECT, EXECUTE_CALL_SIGNATURE, ThroughAdapter
from settlement.tables import attempts, batches, requests, signers
from tests.settlement.soundness import assert_sound
from tests.settlement.world import ADMIN, CREATOR, OAKS_KIND, OUR_KIND, World
from tests.support.real_protocol import PLATFORM, Deployer

TREASURY = Address(b"\x01" * 20)
ADAPTER = Address(b"\x02" * 20)


def through_adapter(world: World) -> World:
    """Deploy an adapter whose admin is the platform's, and have the platform trust it."""
    world.anvil.call("evm_setAutomine", True)
    owner = to_checksum(world.deployment.protocol_admin)
    chain = Deployer(world.anvil, owner)
    adapter = chain.create("ForwardingAdapter", encode(["address"], [ADMIN.address]))
    params = to_checksum(world.deployment.contracts.global_params)
    chain.send(params, "setPlatformAdapter(bytes32,address)", PLATFORM, adapter)
    world.anvil.call("evm_setAutomine", False)
    address = address_from_hex(adapter)
    deployment = world.deployment.model_copy(update={"adapter": address})
    world.restart(deployment=deployment, route=ThroughAdapter(address))
    return world


def test_direct_route_leaves_the_call_as_it_is() -> None:
    assert DIRECT.lead(TREASURY, b"call") == (TREASURY, b"call")


def test_adapter_route_wraps_the_call_as_the_adapter_takes_it() -> None:
    target, data = ThroughAdapter(ADAPTER).lead(TREASURY, b"call")
    assert target == ADAPTER
    assert data == selector(EXECUTE_CALL_SIGNATURE) + encode(
        ["address", "bytes"], [to_hex(TREASURY), b"call"]
    )


@pytest.mark.parametrize("kind", [OUR_KIND, OAKS_KIND])
def test_payments_settle_once_through_the_platforms_adapter(world: World, kind: str) -> None:
    treasury = world.live_treasury(kind=kind)
    through_adapter(world)
    for _ in range(5):
        world.pledge(treasury)
    world.settle_down(world.all_settled)
    adapter = world.lane.deployment.adapter
    sent = [batch for batch in world.rows(batches) if batch.treasury == treasury]
    assert {batch.target for batch in sent if batch.kind != "fund"} == {adapter}
    assert_sound(world, payments=5)


def test_reason_of_a_refusal_is_found_although_the_adapter_hides_it(world: World) -> None:
    treasury = world.live_treasury()
    through_adapter(world)
    world.send_as(CREATOR, treasury, selector("cancelTreasury(bytes32)") + bytes(32))
    world.mine()
    world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"blocked": 1})
    assert world.rows(requests)[0].reason == "treasury: treasury cancelled"


def test_nothing_is_signed_for_an_adapter_that_the_record_does_not_name(world: World) -> None:
    """Survives: a route that points elsewhere than the deployment record."""
    treasury = world.live_treasury()
    world.give_tokens(treasury)
    through_adapter(world)
    world.restart(deployment=world.lane.deployment.model_copy(update={"adapter": None}))
    world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"ready": 1} and bool(world.rows(signers)[0].mode))
    (signer,) = world.rows(signers)
    assert signer.mode == "quarantine"
    assert "is no call that it may make" in signer.mode_reason
    assert world.confirmed_logs() == []
    (given_up,) = [one for one in world.rows(attempts) if one.is_noop]
    assert given_up.sequence == 0, "the refused call was never signed"
