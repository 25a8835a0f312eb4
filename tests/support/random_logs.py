"""What contracts log at random, sensible or not, and which of it counts."""

import random
from collections.abc import Callable, Sequence

from indexer.chain.types import PaymentId
from indexer.events import PAYMENT_BATCH_CONFIRMED, PROTOCOL_TOPICS, TREASURY_DEPLOYED
from indexer.payment_keys import crypto_key
from tests.support.fake_blocks import FakeLog, FakeTransaction
from tests.support.fake_chain import FakeChain
from tests.support.protocol_logs import (
    CAMPAIGN_FACTORY,
    TOKEN,
    TREASURY_FACTORY,
    address,
    batch_confirmed,
    campaign_created,
    payment_cancelled,
    payment_confirmed,
    payment_created,
    refund_claimed,
    settled,
    surplus_swept,
    transfer,
    treasury_deployed,
)

TREASURIES = (address("treasury 0"), address("treasury 1"))
CAMPAIGNS = (address("campaign 0"), address("campaign 1"))
BUYERS = (address("buyer 0"), address("buyer 1"))
PAYMENTS = tuple(PaymentId(bytes([n]) * 32) for n in range(3))
NAMES = (*PAYMENTS, *(crypto_key(PAYMENTS[0], buyer) for buyer in BUYERS))
"""What an event may name: ids, and keys of crypto payments."""


def random_logs(
    chain: FakeChain, dice: random.Random, *, also: Sequence[FakeTransaction] = ()
) -> list[FakeLog]:
    """Logs in any order, sensible or not; a treasury is deployed once per canonical chain.

    Args:
        chain: What was mined so far.
        dice: Decides.
        also: What stands in the same block.
    """
    deployed = deployed_treasuries(chain) | {
        log.data[-20:] for one in also for log in one.logs if _deploys(log)
    }
    found: list[FakeLog] = []
    for _ in range(dice.randrange(5)):
        which = dice.randrange(2)
        if dice.randrange(11) == 0 and TREASURIES[which] not in deployed:
            deployed.add(TREASURIES[which])
            found.append(campaign_created(CAMPAIGNS[which], bytes([which]) * 32))
            found.append(treasury_deployed(TREASURIES[which], CAMPAIGNS[which]))
        else:
            found += _said(which, dice)
    return found


def _said(which: int, dice: random.Random) -> list[FakeLog]:
    """What a treasury, known or not, or a stranger logs."""
    treasury, payment = TREASURIES[which], dice.choice(NAMES)
    amount, both = dice.randrange(1, 100), dice.sample(PAYMENTS, 2)

    def created() -> list[FakeLog]:
        is_crypto, buyer = dice.random() < 0.4, dice.choice(BUYERS)
        return [payment_created(treasury, payment, amount=amount, is_crypto=is_crypto, buyer=buyer)]

    def moved() -> list[FakeLog]:
        recipient = dice.choice((*TREASURIES, address("stranger")))
        return [transfer(recipient, amount, token=dice.choice((TOKEN, address("other token"))))]

    def falsified() -> list[FakeLog]:
        """A factory that is none, and an event without its arguments."""
        return [
            treasury_deployed(treasury, CAMPAIGNS[which], emitter=treasury),
            FakeLog(treasury, payment_confirmed(treasury, payment).topics[:1]),
        ]

    say: Callable[[], list[FakeLog]] = dice.choice(
        (
            created,
            created,
            moved,
            falsified,
            lambda: [payment_confirmed(treasury, payment)],
            lambda: [batch_confirmed(treasury, *both)],
            lambda: settled(treasury, *both),
            lambda: [payment_cancelled(treasury, payment)],
            lambda: [refund_claimed(treasury, payment, amount=amount)],
            lambda: [surplus_swept(treasury, amount)],
        )
    )
    return say()


def deployed_treasuries(chain: FakeChain) -> set[bytes]:
    """Treasuries that the deployment's own factory made on the canonical chain."""
    return {log.data[-20:] for log in chain.canonical_logs() if _deploys(log)}


def without_redeployment(
    again: Sequence[FakeTransaction], chain: FakeChain
) -> list[FakeTransaction]:
    """A factory does not make the same treasury twice on one branch."""
    deployed = deployed_treasuries(chain)
    kept = []
    for one in again:
        makes = {log.data[-20:] for log in one.logs if _deploys(log)}
        if not makes & deployed:
            kept.append(one)
            deployed |= makes
    return kept


def expected_claims(chain: FakeChain) -> dict[tuple[str, int], bool]:
    """Straight from the chain: which protocol logs there are, and whether their emitter counts."""
    mined = [log for log in chain.canonical_logs() if log.topics[0] in PROTOCOL_TOPICS]
    ours = {TREASURY_FACTORY, CAMPAIGN_FACTORY, *deployed_treasuries(chain)}
    return {
        (log.block_hash.hex(), log.log_index): log.address in ours
        and not (log.topics[0] == TREASURY_DEPLOYED.topic0 and log.address != TREASURY_FACTORY)
        and (len(log.topics) > 1 or log.topics[0] == PAYMENT_BATCH_CONFIRMED.topic0)
        for log in mined
    }


def _deploys(log: object) -> bool:
    """Whether a log, mined or not, is a deployment by the deployment's own factory."""
    found = getattr(log, "topics", ())
    return getattr(log, "address", None) == TREASURY_FACTORY and found[:1] == (
        TREASURY_DEPLOYED.topic0,
    )
