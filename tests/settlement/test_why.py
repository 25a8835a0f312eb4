"""One payment's story: by whatever it is named, and with everything that happened to it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from eth_hash.auto import keccak

from settlement.calldata import create_payments
from settlement.due import open_requests
from settlement.reporting.story import PaymentStory
from settlement.reporting.why import NAMED_MAX, TransactionStory, why
from settlement.tables import attempts, requests
from tests.settlement.stored import GAS_PRICE_WEI, GAS_USED, Store, ago, tx_hash
from tests.settlement.world import OAKS_KIND, World


def ask(store: Store | World, name: UUID | bytes) -> PaymentStory | TransactionStory | None:
    engine = store.engine if isinstance(store, Store) else store.lane.engine
    with engine.connect() as connection:
        return why(connection, name)


def payment(store: Store | World, name: UUID | bytes) -> PaymentStory:
    found = ask(store, name)
    assert isinstance(found, PaymentStory)
    return found


def test_settled_payment_is_told_from_capture_to_finality(world: World) -> None:
    treasury = world.live_treasury()
    request_id = world.pledge(treasury)
    world.settle_down(world.all_settled)
    story = payment(world, request_id)
    (told,) = story.generations
    assert (told.state, told.owner, told.awaited) == ("settled", None, None)
    assert [(move.before, move.after) for move in told.moves] == [
        ("ready", "batched"),
        ("batched", "included"),
        ("included", "settled"),
    ]
    (batch,) = told.batches
    assert (batch.kind, batch.state, batch.is_final, batch.payments) == (
        "settle_payments",
        "mined_ok",
        True,
        1,
    )
    (attempt,) = batch.attempts
    assert (attempt.is_mined, attempt.sends >= 1, attempt.last_answer) == (True, True, "accepted")
    assert batch.mined_tx == attempt.tx_hash
    assert batch.gas_used is not None
    assert batch.effective_gas_price_wei is not None
    assert batch.cost_wei == batch.gas_used * batch.effective_gas_price_wei
    fact = told.fact
    assert fact is not None
    assert (fact.state, fact.is_final, fact.is_proven) == ("confirmed", True, True)
    assert (fact.confirmed_tx, told.settled_block) == (attempt.tx_hash, fact.confirmed_block)
    for name in (told.payment_id, attempt.tx_hash):
        assert payment(world, name).root_id == request_id


def test_transaction_of_several_payments_names_them(world: World) -> None:
    treasury = world.live_treasury()
    pledged = {world.pledge(treasury) for _ in range(3)}
    world.settle_down(world.all_settled)
    batch = payment(world, min(pledged)).generations[0].batches[0]
    shared = ask(world, batch.attempts[0].tx_hash)
    assert isinstance(shared, TransactionStory)
    assert (shared.payments_total, shared.batch) == (3, batch)
    assert {one.root_id for one in shared.payments} == pledged
    (fund,) = [row for row in world.rows(attempts) if row.nonce == batch.nonce - 1]
    moved = ask(world, fund.tx_hash)
    assert isinstance(moved, TransactionStory)
    assert moved.batch is not None
    assert (moved.batch.kind, moved.payments_total) == ("fund", 0)


def test_transaction_of_another_sender_is_found_by_what_the_index_shows(world: World) -> None:
    treasury = world.live_treasury(kind=OAKS_KIND)
    request_id = world.pledge(treasury)
    with world.lane.engine.connect() as connection:
        (theirs,) = open_requests(
            connection, world.lane.chain_id, requests.c.request_id == request_id
        )
    soon = datetime.now(UTC) + timedelta(days=1)
    world.send_through_adapter(treasury, create_payments([theirs], soon))
    world.mine()
    world.index()
    told = payment(world, request_id).generations[0]
    assert told.fact is not None
    assert (told.batches, told.awaited) == ((), "a transaction that confirms it")
    assert payment(world, told.fact.created_tx).root_id == request_id


def test_generations_and_undoing_are_parts_of_one_story(store: Store) -> None:
    root = store.request("blocked", reason="expired: too late", strikes=1, gateway="crowdsplit")
    failed = store.batch(
        3, request_ids=[root], kind="create_payments", state="mined_failed", released_at=ago()
    )
    store.attempt(3)
    noop = store.attempt(3, 1, is_noop=True, intent_at=None, sends=0, last_answer=None)
    store.slot(3, mined_tx=noop, failure="given up")
    store.move(root, "superseded", reason="expired on-chain")
    second = store.request("batched", root_id=root, generation=1)
    store.batch(4, request_ids=[second], state="signed")
    refund = store.action("refund", request_id=root, reason="waits", state="requested")
    store.batch(5, kind="refund_payment", action_id=refund, state="signed")
    cancelled = store.attempt(5)

    story = payment(store, second)
    assert (story.root_id, story.gateway) == (root, "crowdsplit")
    before, now = story.generations
    assert [(one.before, one.after, one.reason) for one in before.moves] == [
        ("blocked", "superseded", "expired on-chain")
    ]
    assert [one.batch_id for one in before.batches] == [failed]
    first, last = before.batches[0].attempts
    assert (first.is_noop, first.is_mined, last.is_noop, last.is_mined) == (
        False,
        False,
        True,
        True,
    )
    assert last.first_sent_at is None
    assert before.batches[0].cost_wei == GAS_USED * GAS_PRICE_WEI
    assert (before.owner, before.awaited) == (None, None)
    assert (now.generation, now.owner) == (1, "settlement process")
    (undoing,) = story.undoing
    assert (undoing.requested_by, undoing.owner) == ("ana", "settlement process")
    assert [one.tx_hash for one in undoing.batches[0].attempts] == [cancelled]

    for name in (root, refund, before.payment_id, now.payment_id, cancelled, tx_hash(3)):
        assert payment(store, name).root_id == root


def test_batched_payment_waits_for_what_its_newest_batch_waits_for(store: Store) -> None:
    request_id = store.request("ready")
    store.batch(0, request_ids=[request_id], kind="create_payments")
    newest = store.batch(1, request_ids=[request_id], kind="confirm_payments", state="signed")
    store.move(request_id, "batched", batch_id=newest)
    (told,) = payment(store, request_id).generations
    assert told.awaited == "a block that mines its transaction"


def test_long_lists_of_payments_are_cut(store: Store) -> None:
    carried = [store.request("included") for _ in range(NAMED_MAX + 1)]
    store.batch(0, request_ids=carried)
    found = ask(store, store.attempt(0))
    assert isinstance(found, TransactionStory)
    assert (len(found.payments), found.payments_total) == (NAMED_MAX, NAMED_MAX + 1)


@pytest.mark.parametrize("name", [uuid4(), keccak(b"nothing")])
def test_nothing_is_told_of_what_nobody_knows(store: Store, name: UUID | bytes) -> None:
    assert ask(store, name) is None
