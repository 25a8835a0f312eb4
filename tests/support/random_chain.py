"""Random chains through the real follower into a real Postgres, compared with a fresh index.

A case is a list of actions: the chain mines, forks, stalls; its nodes lag, lie and go astray; the
process dies at any statement and starts again. Afterwards the rows must be those of an indexer that
saw only the final chain.
"""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from indexer.backfill.ranges import Depth
from indexer.chain.types import ChainId
from indexer.crosscheck import cross_check_once
from indexer.errors import RpcError, TransientError
from indexer.follow import Follower
from indexer.repair import repair_hole
from tests.support.dying import dying_at
from tests.support.fake_chain import LIES, FakeChain
from tests.support.fake_nodes import FakeNodes
from tests.support.fresh_index import differences_from_fresh, false_claims, new_network
from tests.support.indexing import catch_up, follower_on
from tests.support.protocol_logs import deployment
from tests.support.random_logs import random_logs, without_redeployment

FINALITY_LAG = 4
DEPTHS: tuple[Depth, ...] = ("listed", "checked", "proven")
SLICES_MAX = 500
ROUNDS_MAX = 3
STATEMENTS_MAX = 40
"""Of one step; a crash strikes before one of them, or not at all."""
KINDS = (
    "mine",
    "mine",
    "mine",
    "fork",
    "fork",
    "step",
    "step",
    "restart",
    "away",
    "crash",
    "crash",
    "lag",
    "lie",
    "stall",
    "astray",
    "prune",
)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that happens to chain or process; ``seed`` decides the details."""

    kind: str
    seed: int


@dataclass(slots=True)
class Outcome:
    """What a case did, and where the rows differ from those of a fresh index."""

    differences: list[str] = field(default_factory=list)
    reorgs: int = 0
    lies: int = 0
    restarts: int = 0


def actions_of(seed: int) -> list[Action]:
    """The actions of a numbered case."""
    dice = _dice(seed)
    count = dice.randrange(4, 20)
    return [Action(dice.choice(KINDS), dice.randrange(2**32)) for _ in range(count)]


def run_case(engine: Engine, actions: Sequence[Action]) -> Outcome:
    """Do the actions, let the indexer catch up, and compare."""
    case = Case(engine)
    for action in actions:
        case.perform(action)
    case.heal()
    case.chain.mine()
    catch_up(case.follower)
    case.check()
    case.outcome.differences += false_claims(engine, case.chain, case.network.chain_id)
    case.outcome.differences += differences_from_fresh(engine, case.chain, case.network.chain_id)
    case.outcome.reorgs = _reorgs(engine, case.network.chain_id)
    return case.outcome


class Case:
    """A chain with its nodes, and an indexer that lives through what happens to them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.network = new_network()
        self.chain = FakeChain(finality_lag=FINALITY_LAG)
        self.nodes = FakeNodes([self.chain.view("a"), self.chain.view("b"), self.chain.view("c")])
        self.outcome = Outcome()
        self.follower = self.started()

    def started(self, *, history_from: int | None = None, depth: Depth = "proven") -> Follower:
        """A new process."""
        return follower_on(
            self.engine,
            self.nodes,
            self.network,
            genesis=self.chain.blocks[0].header.hash,
            history_from=history_from,
            depth=depth,
        )

    def perform(self, action: Action) -> None:
        """Do one action: the method of its name."""
        getattr(self, action.kind)(_dice(action.seed))

    def mine(self, dice: random.Random) -> None:
        """The chain grows."""
        for _ in range(dice.randrange(1, 4)):
            mined = random_logs(self.chain, dice)
            self.chain.mine(mined[:2], [], mined[2:])

    def step(self, _: random.Random) -> None:
        """The process does one step."""
        self.try_step()

    def lag(self, dice: random.Random) -> None:
        """Two of the three nodes are behind, also behind what they said before."""
        for node in dice.sample(self.nodes.nodes, 2):
            node.lag = dice.randrange(self.chain.height + 1)
        self.try_step()
        self.heal_lag()

    def stall(self, _: random.Random) -> None:
        """Finality stops, or goes on."""
        for node in (self.chain, *self.nodes.nodes):
            node.stalls_finality = not node.stalls_finality

    def prune(self, _: random.Random) -> None:
        """No node has the receipts that are asked for."""
        for node in self.nodes.nodes:
            node.prunes_receipts = True
        self.try_step()
        self.heal_prune()

    def try_step(self) -> None:
        """One step of the loop."""
        try:
            self.follower.step()
        except (TransientError, RpcError) as failure:
            self.follower.recover(failure)

    def fork(self, dice: random.Random) -> None:
        """Replace the newest blocks, by fewer or more; some transactions are mined again."""
        depth = dice.randrange(self.chain.height - self.chain.finalized_height + 1)
        if not depth:
            return
        gone = self.chain.fork(depth)
        for _ in range(dice.randrange(depth + 2)):
            again = [gone.pop(0) for _ in range(dice.randrange(2)) if gone]
            again = without_redeployment(again, self.chain)
            fresh = random_logs(self.chain, dice, also=again)
            self.chain.mine(*again, fresh)

    def restart(self, dice: random.Random) -> None:
        """The process ends between two steps and comes back."""
        self.outcome.restarts += 1
        self.follower = self.started(
            history_from=dice.choice((None, 0, 3, 100)), depth=dice.choice(DEPTHS)
        )

    def away(self, dice: random.Random) -> None:
        """The process is down for long: our tip is orphaned, and finality passes its height."""
        self.fork(dice)
        for _ in range(FINALITY_LAG + dice.randrange(1, 6)):
            self.chain.mine(random_logs(self.chain, dice))
        self.outcome.restarts += 1
        self.follower = self.started(
            history_from=dice.choice((None, 0, 2)), depth=dice.choice(DEPTHS)
        )

    def crash(self, dice: random.Random) -> None:
        """Die before one of the next statements, or just after a commit, and come back."""
        self.outcome.restarts += 1
        if dice.random() < 0.5:
            self.follower = self.started(history_from=0)
        with suppress(KeyboardInterrupt), dying_at(self.engine, dice.randrange(STATEMENTS_MAX)):
            self.try_step()
            self.try_step()
        self.follower = self.started(history_from=dice.choice((None, 0)))

    def lie(self, dice: random.Random) -> None:
        """One node, asked first, lies in one way."""
        lie = dice.choice(LIES)
        self.outcome.lies += 1
        if dice.random() < 0.5:
            self.away(dice)
            self.follower = self.started(history_from=0, depth=dice.choice(DEPTHS))
        liar = self.nodes.nodes[0]
        setattr(liar, lie, True)
        for _ in range(dice.randrange(1, 3)):
            self.try_step()
        setattr(liar, lie, False)

    def astray(self, dice: random.Random) -> None:
        """The node asked first follows a branch of its own for a while."""
        node = self.nodes.nodes[0]
        depth = dice.randrange(self.chain.height - self.chain.finalized_height + 1)
        other = FakeChain(finality_lag=10**6, seed=dice.randrange(10**6, 10**9))
        other.blocks = self.chain.blocks[: len(self.chain.blocks) - depth]
        for _ in range(dice.randrange(1, depth + 3)):
            other.mine(random_logs(other, dice))
        node.blocks, lag = other.blocks, node.finality_lag
        node.finality_lag = 10**6
        for _ in range(dice.randrange(1, 3)):
            self.try_step()
        node.blocks, node.finality_lag = self.chain.blocks, lag

    def check(self) -> None:
        """What is done in idle time: holes are read, what one node listed is asked of another.

        Mending may leave a hole above the finalized mark, for when the mark has passed it.
        """
        for _ in range(ROUNDS_MAX):
            if not self.mended():
                return
            for _ in range(FINALITY_LAG + 1):
                self.chain.mine()
            catch_up(self.follower)

    def mended(self) -> bool:
        """Do idle work until there is none; whether there was any."""
        record = deployment(self.chain.blocks[0].header.hash)
        where = (self.engine, self.nodes, self.network, record)
        for slices in range(SLICES_MAX):
            if repair_hole(*where) is None and not cross_check_once(*where):
                self.follower.reload()
                return slices > 0
        raise AssertionError(f"still checking after {SLICES_MAX} slices")

    def heal(self) -> None:
        """Every node is honest and current again."""
        for node in self.nodes.nodes:
            node.stalls_finality = False
            for lie in LIES:
                setattr(node, lie, False)
        self.heal_lag()
        self.heal_prune()
        self.chain.stalls_finality = False

    def heal_lag(self) -> None:
        """Every node is current again."""
        for node in self.nodes.nodes:
            node.lag = 0

    def heal_prune(self) -> None:
        """Every node has its receipts again."""
        for node in self.nodes.nodes:
            node.prunes_receipts = False


def _reorgs(engine: Engine, chain_id: ChainId) -> int:
    with engine.connect() as connection:
        return int(
            connection.execute(
                text("SELECT count(*) FROM chain.reorgs WHERE chain_id = :chain_id"),
                {"chain_id": chain_id},
            ).scalar_one()
        )


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - reproducible, not secret
