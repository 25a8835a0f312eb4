"""Creators without a wallet: one is kept for them, and what they withdraw is passed on from it."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from eth_hash.auto import keccak
from sqlalchemy import select

from indexer.chain.types import Address, TokenAmount
from settlement.action_intake import request_withdrawal
from settlement.intake import CampaignAccepted, CampaignDuplicate, request_campaign
from settlement.record_tables import actions, wallets
from settlement.signers.book import SignerBook
from settlement.signers.keystore import KeystoreSigner
from settlement.tables import batches, nonce_slots
from settlement.wallet_lanes import WalletLanes
from tests.settlement.world import ADMIN, CENTAVO, OUR_KIND, World
from tests.support.remote_signer import FakeRemote, running_remote

AMOUNT = 5_000 * CENTAVO
PAYOUT = Address(b"\x31" * 20)
MARIA = uuid.UUID(int=7)


@pytest.fixture
def remote() -> Iterator[FakeRemote]:
    with running_remote() as served:
        yield served


@pytest.fixture
def kept(build_world: Callable[..., World], remote: FakeRemote) -> World:
    """A world whose process keeps wallets at a service."""
    world = build_world()
    world.restart(book=SignerBook(KeystoreSigner(ADMIN), remote.service()))
    return world


def ask(world: World, slug: str, request_id: uuid.UUID) -> Any:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    with world.offchain.begin() as connection:
        return request_campaign(
            connection,
            request_id=request_id,
            chain_id=world.lane.chain_id,
            identifier_hash=keccak(slug.encode()),
            creator=None,
            creator_id=MARIA,
            launch_at=now,
            deadline_at=datetime.now(UTC).replace(microsecond=0) + timedelta(days=60)
            if slug != "again"
            else now + timedelta(days=90),
            goal_base_units=TokenAmount(10**22),
            currency="BRL",
            title="Sem carteira",
            treasury_kind=OUR_KIND,
        )


def test_two_campaigns_of_one_creator_share_the_one_wallet_made_for_them(
    kept: World, remote: FakeRemote
) -> None:
    ids = [uuid.uuid4(), uuid.uuid4()]
    for number, request_id in enumerate(ids):
        assert ask(kept, f"campanha-{number}", request_id) == CampaignAccepted()
    kept.settle_down(lambda: all(kept.is_live(one) for one in ids))
    (wallet,) = kept.rows(wallets)
    assert {kept.row(one).creator for one in ids} == {wallet.address}
    assert len(remote.calls("POST", "/wallets")) == 1


def test_request_repeated_after_its_wallet_was_made_is_the_same_request(kept: World) -> None:
    request_id = uuid.uuid4()
    assert ask(kept, "again", request_id) == CampaignAccepted()
    kept.index()
    kept.runner.turn()
    assert kept.row(request_id).creator is not None
    assert ask(kept, "again", request_id) == CampaignDuplicate()


def test_campaign_waits_with_the_reason_when_no_service_keeps_wallets(world: World) -> None:
    request_id = uuid.uuid4()
    ask(world, "campanha", request_id)
    world.index()
    world.runner.turn()
    row = world.row(request_id)
    assert (row.state, row.creator) == ("blocked", None)
    assert "LASTRO_REMOTE_SIGNER_URL" in row.reason


def test_withdrawal_goes_to_the_creators_wallet_and_from_there_to_the_payout_address(
    kept: World,
) -> None:
    """The wallet has no coins: the platform gives it what its two transactions cost."""
    request_id, action_id = uuid.uuid4(), uuid.uuid4()
    ask(kept, "campanha", request_id)
    kept.settle_down(lambda: kept.is_live(request_id))
    treasury = Address(kept.row(request_id).treasury)
    wallet = Address(kept.row(request_id).creator)
    kept.pledge(treasury)
    kept.settle_down(kept.all_settled)
    with kept.lane.engine.begin() as connection:
        assert request_withdrawal(
            connection,
            action_id=action_id,
            chain_id=kept.lane.chain_id,
            treasury=treasury,
            payout_to=PAYOUT,
            requested_by="a test",
        )
    lanes = WalletLanes(kept.lane)

    def paid_out() -> bool:
        lanes.turn()
        with kept.lane.engine.begin() as connection:  # do not wait a minute for the next try
            connection.execute(actions.update().values(state_since=actions.c.requested_at))
            connection.execute(
                actions.update()
                .where(actions.c.state == "blocked")
                .values(state="requested", reason=None)
            )
            open_ones = connection.execute(
                select(actions.c.action_id).where(actions.c.state != "done")
            ).all()
        return not open_ones and kept.tokens_of(PAYOUT) > 0

    kept.settle_down(paid_out)
    assert kept.tokens_of(PAYOUT) == AMOUNT
    assert kept.tokens_of(wallet) == 0
    sent_by_wallet = {slot.batch_id for slot in kept.rows(nonce_slots) if slot.signer == wallet}
    kinds = [batch.kind for batch in kept.rows(batches) if batch.id in sent_by_wallet]
    assert sorted(kinds) == ["transfer_tokens", "withdraw"]
    assert "top_up_gas" in {batch.kind for batch in kept.rows(batches)}
