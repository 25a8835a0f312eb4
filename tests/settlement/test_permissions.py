import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from eth_hash.auto import keccak
from sqlalchemy import Engine, insert

from indexer.chain.types import Address, ChainId, TokenAmount, Wei
from settlement.action_intake import (
    request_gas,
    request_refund,
    request_transfer,
    request_withdrawal,
)
from settlement.calldata import WITHDRAW_SIGNATURE, selector
from settlement.fees import Fees
from settlement.permissions import read_permissions
from settlement.policy import Permissions, refusal
from settlement.record_tables import actions, wallets
from settlement.tables import batches, campaigns
from settlement.transactions import UnsignedTransaction
from settlement.types import Nonce
from tests.settlement.policies import (
    CAP,
    ESCROW,
    FACTORY,
    PAID,
    PLATFORM,
    STRANGER,
    TOKEN,
    TOPPED_UP,
    TREASURIES,
    TREASURY,
    WALLET,
    deployment,
)
from tests.settlement.world import OAKS_KIND, World

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OTHERS_TREASURY = Address(b"\xd1" * 20)
BACKERS_WALLET = Address(b"\xd2" * 20)


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("settlement")


def read(engine: Engine, account: Address) -> Permissions:
    with engine.connect() as connection:
        return read_permissions(connection, deployment(), account=account, max_fee_per_gas_wei=CAP)


def campaign(engine: Engine, treasury: Address | None, **values: Any) -> None:
    row: dict[str, Any] = {
        "request_id": uuid.uuid4(),
        "chain_id": 31337,
        "identifier_hash": keccak(uuid.uuid4().bytes),
        "creator": STRANGER,
        "launch_at": NOW,
        "deadline_at": NOW + timedelta(days=30),
        "goal_base_units": 1,
        "currency": "BRL",
        "title": "A",
        "treasury_kind": "payment-treasury",
        "treasury": treasury,
    }
    with engine.begin() as connection:
        connection.execute(insert(campaigns).values(row | values))


def wallet(engine: Engine, address: Address | None, owner_kind: str = "creator") -> None:
    row = {"owner_kind": owner_kind, "owner_id": uuid.uuid4(), "address": address}
    with engine.begin() as connection:
        connection.execute(
            insert(wallets).values(row | {"wallet_id": None if address is None else address.hex()})
        )


def action(engine: Engine, kind: str, recipient: Address | None, **values: Any) -> None:
    row: dict[str, Any] = {
        "action_id": uuid.uuid4(),
        "chain_id": 31337,
        "kind": kind,
        "treasury": None if kind == "top_up_gas" else TREASURY,
        "request_id": uuid.uuid4() if kind == "refund" else None,
        "recipient": recipient,
        "amount": None if kind == "refund" else 5,
        "requested_by": "operator",
    }
    with engine.begin() as connection:
        connection.execute(insert(actions).values(row | values))


def test_read_permissions_gives_the_platform_what_settlement_knows(engine: Engine) -> None:
    campaign(engine, TREASURY)
    campaign(engine, None)
    wallet(engine, WALLET)
    wallet(engine, None, "backer")
    action(engine, "transfer_tokens", PAID, sender=PLATFORM)
    action(engine, "top_up_gas", TOPPED_UP)
    found = read(engine, PLATFORM)
    assert found.account == PLATFORM
    assert found.chain_id == 31337
    assert found.max_fee_per_gas_wei == CAP
    assert set(found.calls) == {TREASURY, FACTORY, TREASURIES}
    assert found.tokens == {TOKEN}
    assert found.token_payees == {TREASURY, PAID}
    assert found.refund_payees == {WALLET, PAID, PLATFORM, ESCROW}
    assert found.coin_payees == {WALLET, TOPPED_UP}


def test_read_permissions_leaves_out_other_chains_and_what_is_void(engine: Engine) -> None:
    campaign(engine, TREASURY, chain_id=137)
    action(engine, "transfer_tokens", PAID, chain_id=137)
    action(engine, "transfer_tokens", PAID, state="void")
    action(engine, "transfer_tokens", PAID, sender=WALLET)
    action(engine, "top_up_gas", TOPPED_UP, state="void")
    found = read(engine, PLATFORM)
    assert set(found.calls) == {FACTORY, TREASURIES}
    assert found.token_payees == set()
    assert found.coin_payees == set()


def test_read_permissions_lets_a_refund_go_where_it_was_asked_to(engine: Engine) -> None:
    action(engine, "refund", PAID)
    action(engine, "refund", None)
    assert PAID in read(engine, PLATFORM).refund_payees


def test_read_permissions_gives_a_creator_its_own_treasuries_and_withdrawals(
    engine: Engine,
) -> None:
    campaign(engine, TREASURY, creator=WALLET)
    campaign(engine, OTHERS_TREASURY)
    wallet(engine, WALLET)
    action(engine, "transfer_tokens", PAID, sender=WALLET)
    action(engine, "transfer_tokens", TOPPED_UP)
    action(engine, "top_up_gas", TOPPED_UP)
    found = read(engine, WALLET)
    assert set(found.calls) == {TREASURY}
    assert selector(WITHDRAW_SIGNATURE) in found.calls[TREASURY]
    assert len(found.calls[TREASURY]) == 2
    assert found.token_payees == {TREASURY, PAID}
    assert found.coin_payees == found.refund_payees == set()
    assert found.adapter is None


def test_read_permissions_gives_a_backer_nothing_to_call(engine: Engine) -> None:
    campaign(engine, TREASURY)
    wallet(engine, BACKERS_WALLET, "backer")
    found = read(engine, BACKERS_WALLET)
    assert found.calls == {}
    assert found.token_payees == set()


def test_read_permissions_permits_all_that_settlement_seals(world: World) -> None:
    lane = world.lane
    asker: dict[str, Any] = {"requested_by": "a test"}
    treasury = world.live_treasury()
    oaks = world.live_treasury("outra", kind=OAKS_KIND)
    payment = world.pledge(treasury)
    world.pledge(oaks)
    world.settle_down(world.all_settled)
    wallet(lane.engine, WALLET)
    where: dict[str, Any] = {"chain_id": lane.chain_id, "treasury": treasury, **asker}
    with lane.engine.begin() as connection:
        refunds = {"request_id": payment, "recipient": WALLET, **asker}
        assert request_refund(connection, action_id=uuid.uuid4(), **refunds)
        transfers = {"sender": None, "recipient": PAID, "amount": TokenAmount(1), **where}
        assert request_transfer(connection, action_id=uuid.uuid4(), **transfers)
        gas = {"recipient": WALLET, "amount": Wei(1), "chain_id": lane.chain_id, **asker}
        assert request_gas(connection, action_id=uuid.uuid4(), **gas)
        withdrawal = {**where, "treasury": oaks, "payout_to": None}
        assert request_withdrawal(connection, action_id=uuid.uuid4(), **withdrawal)
    world.settle_down(lambda: {row.state for row in world.rows(actions)} == {"done"})

    with lane.engine.connect() as connection:
        found = read_permissions(
            connection,
            world.deployment,
            account=lane.sender,
            max_fee_per_gas_wei=lane.policy.max_fee_per_gas_wei,
        )
    sealed = world.rows(batches)
    assert {"create_payments", "settle_payments", "fund", "refund_payment", "top_up_gas"} <= {
        row.kind for row in sealed
    }
    assert [(row.kind, refusal(found, planned(row))) for row in sealed] == [
        (row.kind, None) for row in sealed
    ]


def planned(batch: Any) -> UnsignedTransaction:
    return UnsignedTransaction(
        chain_id=ChainId(batch.chain_id),
        nonce=Nonce(0),
        to=Address(batch.target),
        calldata=bytes(batch.calldata),
        gas_limit=batch.gas_limit,
        fees=Fees(CAP, Wei(1)),
        value_wei=Wei(batch.value_wei),
    )
