from __future__ import annotations

import pytest
import world
from eth_utils import keccak
from recording import NOT_EXIST, a_settlement, assert_only_the_platform, settle
from world import REASON, ZERO, a_payment, assert_log, assert_reverts

BUYER_NOT_NAMED = "BuyerNotNamed(bytes32)"
MISMATCH = "WitnessMismatch(bytes32)"


@pytest.fixture
def settled(treasury, brla, people):
    """A settled payment of the buyer's."""
    settlement = a_settlement(buyer=people.buyer.address)
    settle(treasury, brla, people, settlement)
    return settlement


def assert_refused(treasury, account, settled, error: str, *values: object) -> None:
    arguments = [settled.payment_id, settled.witness]
    assert_reverts(treasury.refundBuyer, arguments, account, error, *values)


def test_refund_buyer_pays_the_buyer_and_emits(treasury, brla, settled, people):
    admin = people.platform_admin
    receipt = treasury.refundBuyer(settled.payment_id, settled.witness, sender=admin)

    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        "RefundClaimed(bytes32,uint256,address)",
        indexed=[settled.payment_id, settled.buyer],
        types=["uint256"],
        values=[settled.amount],
    )
    assert brla.balanceOf(people.buyer) == settled.amount
    assert brla.balanceOf(treasury) == treasury.getRaisedAmount() == 0
    assert treasury.getRefundedAmount() == settled.amount


def test_refund_buyer_reverts_when_refunded_already(treasury, brla, settled, people):
    settle(treasury, brla, people, a_settlement(2))
    admin = people.platform_admin
    treasury.refundBuyer(settled.payment_id, settled.witness, sender=admin)
    assert_refused(treasury, admin, settled, NOT_EXIST, settled.payment_id)


def test_refund_buyer_reverts_when_the_receipt_is_minted(treasury, settled, people):
    treasury.mintReceipt(settled.payment_id, settled.witness, sender=people.buyer)
    error = BUYER_NOT_NAMED
    assert_refused(treasury, people.platform_admin, settled, error, settled.payment_id)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_refund_buyer_reverts_when_the_witness_is_wrong(treasury, settled, people, part):
    witness = list(settled.witness)
    witness[part] = people.stranger.address if part == 2 else keccak(text="another")
    arguments, admin = [settled.payment_id, tuple(witness)], people.platform_admin
    assert_reverts(treasury.refundBuyer, arguments, admin, MISMATCH, settled.payment_id)


@pytest.mark.parametrize("kind", ["settled", "expected", "confirmed", "receipted"])
def test_refund_buyer_reverts_when_no_settlement_names_the_buyer(treasury, brla, people, kind):
    named = a_settlement(buyer=people.buyer.address)
    if kind == "settled":
        settle(treasury, brla, people, named.but(buyer=ZERO))
    elif kind == "expected":
        world.create(treasury, people, a_payment(brla))
    else:
        whom = people.buyer if kind == "receipted" else ZERO
        world.confirmed(treasury, brla, people, a_payment(brla), whom)
    admin, error = people.platform_admin, BUYER_NOT_NAMED
    for buyer in (ZERO, people.buyer.address):
        assert_refused(treasury, admin, named.but(buyer=buyer), error, named.payment_id)


def test_refund_buyer_reverts_when_the_payment_does_not_exist(treasury, people):
    unknown = a_settlement(buyer=people.buyer.address)
    assert_refused(treasury, people.platform_admin, unknown, NOT_EXIST, unknown.payment_id)


def test_refund_buyer_reverts_when_the_money_was_withdrawn(treasury, brla, settled, people):
    """Tokens that nobody committed pay no refunds."""
    treasury.withdraw(sender=people.creator)
    world.fund(treasury, brla, people, settled.amount)
    error = "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)"
    assert_refused(treasury, people.platform_admin, settled, error, settled.payment_id, 1)


def test_refund_buyer_reverts_when_the_caller_is_not_the_platform(treasury, settled, people):
    arguments = [settled.payment_id, settled.witness]
    assert_only_the_platform(treasury.refundBuyer, arguments, people)


def test_refund_buyer_reverts_when_treasury_or_campaign_is_paused(
    treasury, campaign, settled, people
):
    admin = people.platform_admin
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    assert_refused(treasury, admin, settled, "PaymentTreasuryCampaignInfoIsPaused()")
    treasury.pauseTreasury(REASON, sender=admin)
    assert_refused(treasury, admin, settled, "PausedError()")


def test_refund_buyer_succeeds_when_treasury_and_campaign_are_cancelled(
    treasury, campaign, brla, settled, people
):
    campaign.cancelCampaign(REASON, sender=people.creator)
    treasury.cancelTreasury(REASON, sender=people.platform_admin)
    admin = people.platform_admin
    treasury.refundBuyer(settled.payment_id, settled.witness, sender=admin)
    assert brla.balanceOf(people.buyer) == settled.amount
