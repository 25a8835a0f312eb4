"""Whatever chain, nodes and process do, consumers that read now and then hold what stands."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from typing_extensions import override

from indexer.outbox_telling import Delivery
from tests.support.indexing import catch_up
from tests.support.outbox_consumer import Consumer
from tests.support.protocol_logs import campaign_created, treasury_deployed
from tests.support.random_chain import KINDS, Action, Case
from tests.support.random_logs import CAMPAIGNS, TREASURIES, deployed_treasuries

CASES = 60
READS = (0, 0, 0, 1, 2)
LIMITS = (1, 3, 7, 100)
DELIVERIES: tuple[Delivery, ...] = ("latest", "finalized")
HEARD_KINDS = (*KINDS, *["mine", "claim", "fork", "step"] * 3)
"""More than elsewhere: late claims, and reorgs across them."""
ACTIONS = st.lists(
    st.builds(Action, kind=st.sampled_from(HEARD_KINDS), seed=st.integers(0, 2**32 - 1)),
    min_size=5,
    max_size=10,
)


class HeardCase(Case):
    """A case with consumers: each reads at any moment, by pages of any length."""

    def __init__(self, engine: Engine, dice: random.Random) -> None:
        self.dice = dice
        super().__init__(engine)
        self.consumers = [
            Consumer(engine, delivery, chain_id=self.network.chain_id) for delivery in DELIVERIES
        ]

    @override
    def try_step(self) -> None:
        super().try_step()
        self.hear()

    def claim(self, dice: random.Random) -> None:
        """A treasury is deployed, often after it said something; it may vanish before we are told.

        What consumers hear meanwhile decides: a few messages, or none.
        """
        self.mine(dice)
        super().try_step()
        for consumer in self.consumers:
            consumer.limit = max(LIMITS)
            consumer.read_all()
        self.deploy()
        super().try_step()
        for consumer in self.consumers:
            consumer.limit = 1
            if dice.random() < 0.5:
                consumer.read()
        if dice.random() < 0.7:
            self.fork(dice)
            super().try_step()

    def deploy(self) -> None:
        """Mine a treasury that there is not yet."""
        for which, treasury in enumerate(TREASURIES):
            if treasury not in deployed_treasuries(self.chain):
                made = campaign_created(CAMPAIGNS[which], bytes([which]) * 32)
                self.chain.mine([made], [treasury_deployed(treasury, CAMPAIGNS[which])])
                return

    def hear(self) -> None:
        """Let each consumer read or not; one that was told all holds just that."""
        for consumer in self.consumers:
            consumer.limit = self.dice.choice(LIMITS)
            for _ in range(self.dice.choice(READS)):
                if len(consumer.read()) < consumer.limit:
                    assert consumer.differences() == []

    def finish(self) -> None:
        """Mend what lies left, and let consumers hear the end."""
        self.heal()
        self.chain.mine()
        catch_up(self.follower)
        self.hear()
        self.check()
        for consumer in self.consumers:
            consumer.limit = max(LIMITS)
            consumer.read_all()
            assert consumer.differences() == []


@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=ACTIONS, seed=st.integers(0, 2**32 - 1))
def test_consumers_hold_what_stands_after_any_forks_lies_crashes_and_repairs(
    engine: Engine, actions: list[Action], seed: int
) -> None:
    case = HeardCase(engine, random.Random(seed))  # noqa: S311 - reproducible, not secret
    for action in actions:
        case.perform(action)
        case.hear()
    case.finish()
