"""Races on the chain's side; settlement's own tests hold each of them in far more depth."""

from contextlib import suppress
from typing import Any

from sqlalchemy import select

from indexer.chain.types import Address
from settlement.tables import attempts, nonce_slots, requests
from tests.offchain.races.site import Site
from tests.settlement.faults import Crash, dying
from tests.settlement.soundness import assert_sound
from tests.settlement.world import World
from tests.support.claims import paid
from tests.support.offchain import (
    confirm_onchain,
    forget_onchain,
    set_finalized,
    set_request_state,
)

TOO_LARGE = 2**96
"""More than the treasury can keep of one payment."""
COMMITS_MAX = 12
"""Of one turn that seals."""


def funded(world: World) -> Address:
    treasury = world.live_treasury()
    world.give_tokens(treasury, TOO_LARGE * 2)
    return treasury


def sent(world: World) -> list[Any]:
    """All that was ever signed for the newest nonce."""
    attempted = world.rows(attempts)
    newest = max(one.nonce for one in attempted)
    return [one for one in attempted if one.nonce == newest]


def test_race_11_one_bad_payment_is_left_out_and_the_others_settle(site: Site) -> None:
    world = site.chain
    treasury = funded(world)
    for number in range(5):
        world.pledge(treasury, **({"amount": TOO_LARGE} if number == 2 else {}))
    world.settle_down(lambda: world.states() == {"settled": 4, "quarantined": 1})
    failed = [slot for slot in world.rows(nonce_slots) if slot.state == "mined_failed"]
    assert failed == [], "it was found out by a trial"


def test_race_12_a_transaction_whose_process_died_after_the_broadcast_is_not_made_twice(
    site: Site,
) -> None:
    world = site.chain
    treasury = funded(world)
    world.pledge(treasury)
    world.index()
    engine = world.lane.engine
    for commit in range(1, COMMITS_MAX):
        world.restart(engine=dying(engine, commit=commit, moment="before"))
        with suppress(Crash):
            world.runner.turn()
        if is_in_pool(world):
            break
    (attempt,) = sent(world)
    assert (attempt.intent_at is not None, attempt.sent_at) == (True, None)
    world.restart(engine=engine)
    world.settle_down(world.all_settled)
    assert [one.tx_hash for one in sent(world)] == [attempt.tx_hash]
    assert_sound(world, payments=1)


def is_in_pool(world: World) -> bool:
    """Whether a node has a transaction of ours that is not mined."""
    mined, pending = (world.reader.nonce(world.lane.sender, tag) for tag in ("latest", "pending"))
    return pending > mined


def test_race_13_a_transaction_that_no_node_knows_is_sent_again_as_it_is(site: Site) -> None:
    world = site.chain
    treasury = funded(world)
    world.pledge(treasury)
    world.index()
    world.runner.turn()
    (first,) = sent(world)
    world.anvil.call("anvil_dropAllTransactions")
    world.settle_down(world.all_settled, rounds=10)
    assert [one.tx_hash for one in sent(world)] == [first.tx_hash]
    assert first.tx_hash in {slot.mined_tx for slot in world.rows(nonce_slots)}
    assert_sound(world, payments=1)


def test_race_14_a_payment_that_somebody_else_confirmed_is_final_and_posted(site: Site) -> None:
    one = paid(site.engine, site.login)
    confirm_onchain(site.login, one.id)
    set_finalized(site.login, 10)
    with site.login.connect() as connection:
        ours = connection.execute(select(requests.c.state)).scalar_one()
    assert ours == "ready", "settlement never sent anything"
    assert one.look().statuses() == ("captured", "final", "none")
    assert posted(site) == (5000, 0)
    assert site.moves_to(one.id, "final") == 1


def test_race_15_a_reorganized_confirmation_takes_the_chain_status_back_and_no_other(
    site: Site,
) -> None:
    one = paid(site.engine, site.login).batched()
    set_request_state(site.login, one.id, "included")
    confirm_onchain(site.login, one.id)
    set_finalized(site.login, 9)
    assert one.look().statuses() == ("captured", "mined", "none")
    forget_onchain(site.login)
    set_request_state(site.login, one.id, "batched")
    assert one.look().statuses() == ("captured", "submitted", "none")
    assert posted(site) == (0, 5000)


def posted(site: Site) -> tuple[int, int]:
    """Posted and pending of what is owed to its campaign."""
    return site.balanced_books()["owed_to_campaign"]
