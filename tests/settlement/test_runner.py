from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from eth_abi.abi import encode
from sqlalchemy import func, select
from structlog.testing import capture_logs

from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, to_checksum, to_hex
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable
from settlement import retrying
from settlement.calldata import selector
from settlement.lifecycle import TREASURY
from settlement.loop import BACKOFF_MAX_S, pause_s
from settlement.payment_life import longest_payment_life
from settlement.runner import STALE_BLOCKS, Runner
from settlement.tables import (
    attempts,
    batches,
    nonce_slots,
    requests,
    signers,
)
from stack.anvil import Anvil
from stack.fakes.chain_proxy.faults import Fault, Kind
from stack.fakes.chain_proxy.proxy import running_proxy
from tests.settlement.faults import Crash, Moment, dying
from tests.settlement.soundness import assert_sound
from tests.settlement.world import ADMIN, CENTAVO, CREATOR, OAKS_KIND, OUR_KIND, SUPPLY, World

PAYMENTS = 3
REPLACING_AT_ONCE = {"bump_after": timedelta(0), "bump_blocks": 0}


def killed(
    world: World, commit: int, moment: Moment, done: Callable[[], bool], *, turns: int = 1
) -> bool:
    """Run until a commit kills the process, then start anew and finish; False if none did."""
    engine = world.lane.engine
    died = False
    world.restart(engine=dying(engine, commit=commit, moment=moment))
    try:
        world.settle_down(done, turns=turns)
    except Crash:
        died = True
    world.restart(engine=engine)
    world.settle_down(done, turns=turns)
    return died


@pytest.mark.parametrize(
    ("moment", "policy", "kind"),
    [
        pytest.param("before", {}, OUR_KIND, id="before"),
        pytest.param("before", {}, OAKS_KIND, id="before-on-oaks-treasury"),
        pytest.param("after", REPLACING_AT_ONCE, OUR_KIND, id="after-replacing-each-transaction"),
    ],
)
def test_payments_settle_once_when_killed_around_each_commit(
    build_world: Callable[..., World], moment: Moment, policy: dict[str, Any], kind: str
) -> None:
    """Survives: death around sealing, signing, intent, send, answer, receipt and feedback."""
    world = build_world(**policy)
    treasury = world.live_treasury(kind=kind)
    turns = 2 if policy else 1
    kills = 0
    while True:
        world.pledge(treasury)
        world.pledge(treasury)
        if not killed(world, kills + 1, moment, world.all_settled, turns=turns):
            break
        kills += 1
    assert kills > 12, "the kills did not reach every step"
    assert_sound(world, payments=2 * (kills + 1))
    replaced = any(attempt.sequence for attempt in world.rows(attempts))
    assert replaced == bool(policy)


def test_campaigns_are_created_once_when_killed_after_each_commit(world: World) -> None:
    """Survives: death between a campaign's transaction, its event, its treasury, and live."""
    created = 0
    died = True
    while died:
        created += 1
        live = partial(world.is_live, world.campaign(f"campanha-{created}"))
        died = killed(world, created, "after", live)
    with world.lane.engine.connect() as connection:
        sealed = connection.execute(
            select(batches.c.kind, func.count().label("batches")).group_by(batches.c.kind)
        ).all()
    assert created > 8, "the kills did not reach every step"
    assert {row.kind: row.batches for row in sealed} == {
        "create_campaign": created,
        "create_treasury": created,
    }


@pytest.mark.parametrize("lie", ["error_after_accept", "accept_then_drop"])
def test_payments_settle_once_when_the_node_lies_about_half_of_the_sends(
    chain: Anvil, build_world: Callable[..., World], lie: Kind
) -> None:
    """Survives: a reply lost after the node took the bytes, and bytes lost after a good reply."""
    with running_proxy(chain.url) as node:
        node.faults.add(Fault(lie, probability=0.5))
        world = build_world(rpc_urls=[node.url])
        treasury = world.live_treasury()
        for _ in range(PAYMENTS):
            world.pledge(treasury)
        world.settle_down(world.all_settled)
        assert node.faults.struck[lie] >= 2
        assert_sound(world, payments=PAYMENTS)


def test_payments_settle_once_when_two_engines_seal_without_a_leader(world: World) -> None:
    """Survives: a zombie process that works the lane beside its successor."""
    treasury = world.live_treasury()
    engines = [Runner(world.lane), Runner(world.lane)]
    for _ in range(10):
        for _ in range(2):
            world.pledge(treasury)
        world.index()
        with ThreadPoolExecutor(2) as pool:
            for turn in [pool.submit(engine.turn) for engine in engines]:
                turn.result()
        world.mine()
    world.settle_down(world.all_settled)
    assert_sound(world, payments=20)


def test_included_payments_are_sent_again_when_a_reorg_drops_their_confirmation(
    world: World,
) -> None:
    treasury = world.live_treasury()
    for _ in range(PAYMENTS):
        world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"included": PAYMENTS})
    world.anvil.call("anvil_reorg", 1, [])
    world.index()
    world.runner.turn()
    assert world.states() == {"batched": PAYMENTS}
    world.settle_down(world.all_settled)
    assert_sound(world, payments=PAYMENTS)


def test_payments_wait_as_blocked_and_resume_when_the_wallet_is_short(
    build_world: Callable[..., World],
) -> None:
    world = build_world(tokens_of_admin=100)
    treasury = world.live_treasury()
    world.pledge(treasury, amount=60)
    world.pledge(treasury, amount=60)
    world.settle_down(lambda: world.states() == {"settled": 1, "blocked": 1})
    with world.lane.engine.connect() as connection:
        reason = connection.execute(
            select(requests.c.reason).where(requests.c.state == "blocked")
        ).scalar_one()
    assert reason == "funding: 20 base units are missing in the signer's wallet"
    token = world.deployment.tokens[0].address
    mint = selector("mint(address,uint256)") + encode(
        ["address", "uint256"], [ADMIN.address, SUPPLY]
    )
    owner = Address(bytes.fromhex(str(world.anvil.call("eth_accounts")[0])[2:]))
    world.send_as(owner, token, mint)
    world.settle_down(world.all_settled)
    assert_sound(world, payments=2)


def test_tokens_given_by_others_fund_payments_before_the_wallet_does(
    build_world: Callable[..., World],
) -> None:
    world = build_world(tokens_of_admin=0)
    treasury = world.live_treasury()
    token = world.deployment.tokens[0].address
    mint = selector("mint(address,uint256)") + encode(
        ["address", "uint256"], [to_checksum(treasury), 70]
    )
    owner = Address(bytes.fromhex(str(world.anvil.call("eth_accounts")[0])[2:]))
    world.send_as(owner, token, mint)
    world.mine()
    world.pledge(treasury, amount=70)
    world.settle_down(world.all_settled)
    with world.lane.engine.connect() as connection:
        kinds = set(connection.execute(select(batches.c.kind)).scalars())
    assert "fund" not in kinds


def test_payments_are_settled_again_when_the_first_settlement_fails_on_chain(
    world: World,
) -> None:
    """Survives: the state changes between the trial and the block."""
    treasury = world.live_treasury()
    token = world.deployment.tokens[0].address
    for _ in range(PAYMENTS):
        world.pledge(treasury)
    amount = PAYMENTS * 5_000 * CENTAVO
    drain = selector("transfer(address,uint256)") + encode(
        ["address", "uint256"], [ADMIN.address, amount]
    )

    world.settle_down(lambda: "settle_payments" in world.kinds_sealed())
    world.anvil.call("anvil_dropAllTransactions")
    world.send_as(treasury, token, drain)
    world.mine()
    world.runner.turn()  # the same bytes go out again
    world.mine()
    world.index()
    world.runner.turn()
    with world.lane.engine.connect() as connection:
        failed = connection.execute(
            select(nonce_slots).where(nonce_slots.c.state == "mined_failed")
        ).one()
    assert "treasury short of tokens" in failed.failure
    assert world.states() == {"batched": PAYMENTS}, "released only once the failure is final"
    owner = Address(bytes.fromhex(str(world.anvil.call("eth_accounts")[0])[2:]))
    mint = selector("mint(address,uint256)") + encode(
        ["address", "uint256"], [to_checksum(treasury), amount]
    )
    world.send_as(owner, token, mint)
    world.settle_down(world.all_settled, rounds=20)
    assert_sound(world, payments=PAYMENTS)


def test_signer_is_quarantined_when_somebody_else_sends_from_its_account(world: World) -> None:
    treasury = world.live_treasury()
    world.send_as(world.lane.sender, treasury, b"")
    world.mine()
    world.pledge(treasury)
    world.settle_down(lambda: _mode(world) == "quarantine", rounds=5)
    world.mine()
    world.index()
    world.runner.turn()
    assert world.states() == {"ready": 1}, "nothing is sealed for a quarantined signer"


def test_payment_blocks_as_expired_when_its_life_is_shorter_than_the_margin(
    build_world: Callable[..., World],
) -> None:
    world = build_world(payment_life=timedelta(minutes=5))
    treasury = world.live_treasury(kind=OAKS_KIND)
    world.pledge(treasury)
    world.settle_down(lambda: world.states() == {"blocked": 1})
    assert world.confirmed_logs() == []


def test_work_goes_on_elsewhere_when_the_node_refuses_to_try_one_treasury(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, sound = world.live_treasury("um"), world.live_treasury("dois")
    honest = ChainReader.estimate_gas

    def estimate_gas(self: ChainReader, transaction: Mapping[str, object]) -> int:
        if transaction["to"] == to_hex(odd):
            raise RpcError(-32000, "gas required exceeds allowance (50000000)")
        return honest(self, transaction)

    monkeypatch.setattr(ChainReader, "estimate_gas", estimate_gas)
    world.pledge(odd)
    world.pledge(odd)
    world.pledge(sound)
    world.settle_down(lambda: world.states() == {"blocked": 2, "settled": 1})
    reasons = {row.reason for row in world.rows(requests) if row.state == "blocked"}
    refusal = "gas required exceeds allowance (50000000)"
    assert reasons == {f"{TREASURY}the node refused a trial: {refusal}"}, "tried again by itself"
    monkeypatch.undo()
    monkeypatch.setattr(retrying, "RETRY_AFTER", timedelta(0))
    world.settle_down(world.all_settled)


def test_sealed_transactions_are_signed_and_sent_when_nothing_new_can_be_tried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Survives: death before signing, then a node that answers everything but trials."""
    world.campaign("um")
    world.index()
    engine = world.lane.engine
    world.restart(engine=dying(engine, commit=1, moment="after"))
    with pytest.raises(Crash):
        world.runner.turn()
    assert [slot.state for slot in world.rows(nonce_slots)] == ["reserved"]
    world.restart(engine=engine)
    world.campaign("dois")

    def estimate_gas(_reader: ChainReader, _transaction: Mapping[str, object]) -> int:
        raise RpcUnavailable("no answer")

    monkeypatch.setattr(ChainReader, "estimate_gas", estimate_gas)
    with pytest.raises(RpcUnavailable):
        world.runner.turn()
    world.mine()
    world.index()
    with pytest.raises(RpcUnavailable):
        world.runner.turn()
    assert [slot.state for slot in world.rows(nonce_slots)] == ["mined_ok"]


def test_nothing_is_sealed_while_the_index_is_far_behind_the_head(world: World) -> None:
    world.campaign()
    world.index()
    world.anvil.call("anvil_mine", hex(STALE_BLOCKS + 1), hex(4))
    with capture_logs() as logs:
        turns = [world.runner.turn() for _ in range(3)]
    assert [turn.sealed for turn in turns] == [0, 0, 0]
    assert [entry["event"] for entry in logs].count("index_is_stale") == 1
    world.index()
    assert world.runner.turn().sealed == 1


def test_pause_stays_at_its_longest_however_often_turns_failed() -> None:
    assert pause_s(0.25, 0) == 0.25
    assert pause_s(0.25, 2) == 1.0
    assert pause_s(0.25, 5_000) == BACKOFF_MAX_S


def test_longest_payment_life_names_the_record_when_no_registry_is_there(world: World) -> None:
    nobody = world.deployment.contracts.model_copy(update={"global_params": CREATOR})
    record = world.deployment.model_copy(update={"contracts": nobody})
    with pytest.raises(ConfigurationError, match="LASTRO_DEPLOYMENTS_DIR"):
        longest_payment_life(world.reader, record, timedelta(days=1))


def test_longest_payment_life_stays_within_the_registry(world: World) -> None:
    wanted = timedelta(days=30)
    assert longest_payment_life(world.reader, world.deployment, wanted) == wanted
    forever = longest_payment_life(world.reader, world.deployment, timedelta(days=365))
    assert timedelta(days=89) < forever < timedelta(days=90)


def _mode(world: World) -> str:
    with world.lane.engine.connect() as connection:
        return str(connection.execute(select(signers.c.mode)).scalar_one())
