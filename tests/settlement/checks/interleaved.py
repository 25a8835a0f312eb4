"""Two engines on one lane, and all that may happen between any two of their steps.

A case draws everything from the seeds of its actions. After every commit that writes, whoever made
it, every invariant is checked.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import cast

from sqlalchemy import Connection, Engine, func, select, text, update

from indexer.chain.types import to_hex
from indexer.errors import RpcError, TransientError
from settlement.action_intake import request_refund
from settlement.checks.check import Finding
from settlement.invariants import check_all, check_tables
from settlement.record_tables import actions
from settlement.runner import Runner
from settlement.tables import attempts, campaigns, nonce_slots, requests
from tests.settlement.faults import Crash
from tests.settlement.world import World

REORG_BLOCKS_MAX = 3
FINALITY_BLOCKS = REORG_BLOCKS_MAX + 1
"""Blocks that must follow one before it is final: no reorg ever reaches a final one."""
AN_HOUR = timedelta(hours=1)
MOMENTS_MAX = 24
"""Reads and commits of one turn, seldom more."""
PAYMENTS_MAX = 10
KINDS = (
    *["turn"] * 5,
    *["beat"] * 6,
    *["pledge"] * 2,
    *["reorg"] * 3,
    "refund",
    "mine",
    "index",
    "lose",
)
"""What happens, the likelier the oftener it is named."""
INTERRUPTIONS = (
    "nothing",
    *["other"] * 4,
    *["reorg"] * 2,
    *["death"] * 2,
    *["stillbirth"] * 2,
    "mine",
    "index",
    "lose",
)
"""What happens after a read or a commit of a turn; ``stillbirth`` is a death just before one."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that happens; ``seed`` decides the details."""

    kind: str
    seed: int


class WatchedEngine:
    """An engine that calls somebody just before each commit that writes, and after every read."""

    def __init__(
        self, engine: Engine, *, before: Callable[[], None], after: Callable[[bool], None]
    ) -> None:
        self._engine = engine
        self._before = before
        self._after = after

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection
            found = connection.execute(text("SELECT pg_current_xact_id_if_assigned()")).scalar()
            wrote = found is not None
            if wrote:
                self._before()
        self._after(wrote)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection
        self._after(False)


class Case:
    """A world with two engines that know nothing of each other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.treasuries = sorted(row.treasury for row in world.rows(campaigns))
        self.first_block = self._head()
        self._left = 0
        self._interrupt: Callable[[], None] = _nothing
        self._is_stillborn = False
        self.runners = [self._runner(), self._runner()]
        for treasury in self.treasuries:
            world.pledge(treasury)

    def perform(self, action: Action) -> None:
        """Let one thing happen."""
        dice = Random(action.seed)  # noqa: S311 - reproducible, not secret
        getattr(self, action.kind)(dice)
        self._look()

    def pledge(self, dice: Random) -> None:
        """Payments come in, a few at a time."""
        for _ in range(dice.randint(1, 2)):
            if len(self.world.rows(requests)) < PAYMENTS_MAX:
                self.world.pledge(dice.choice(self.treasuries))

    def refund(self, dice: Random) -> None:
        """Somebody wants a payment undone, wherever it stands."""
        payments = self.world.rows(requests)
        if not payments:
            return
        payment = dice.choice(sorted(payments, key=lambda row: row.requested_at))
        with self.world.offchain.begin() as connection:
            request_refund(
                connection,
                action_id=uuid.uuid4(),
                request_id=payment.root_id,
                recipient=None,
                requested_by="a backer",
            )

    def turn(self, dice: Random) -> None:
        """One engine takes a turn, and something may happen in the middle of it."""
        which = dice.randint(0, 1)
        chosen = dice.choice(INTERRUPTIONS)
        self._left = dice.randint(1, MOMENTS_MAX)
        self._is_stillborn = chosen == "stillbirth"
        match chosen:
            case "death":
                self._interrupt = _die
            case "other":
                self._interrupt = lambda: self._take_turn(1 - which)
            case "nothing" | "stillbirth":
                self._interrupt = _nothing
            case _:
                happen = getattr(self, chosen)
                self._interrupt = lambda: happen(dice)
        self._take_turn(which)
        self._left, self._is_stillborn = 0, False

    def beat(self, dice: Random) -> None:
        """A turn, a block, and mostly the index after it: how it usually goes."""
        self.turn(dice)
        self.world.mine()
        if dice.random() < 0.7:
            self.world.index()

    def mine(self, dice: Random) -> None:
        """Blocks come."""
        for _ in range(dice.randint(1, 3)):
            self.world.mine()

    def index(self, _dice: Random) -> None:
        """The index catches up."""
        self.world.index()

    def lose(self, _dice: Random) -> None:
        """The pool forgets what it was given."""
        self.world.anvil.call("anvil_dropAllTransactions")

    def reorg(self, dice: Random) -> None:
        """The newest blocks are others now: without our transactions, or with them elsewhere."""
        depth = min(dice.randint(1, REORG_BLOCKS_MAX), self._head() - self.first_block)
        moved = self._mined_above(self._head() - depth) if dice.random() < 0.3 else []
        if depth:
            again = [[to_hex(raw), dice.randrange(depth)] for raw in moved[:1]]
            self.world.anvil.call("anvil_reorg", depth, again)
        if dice.random() < 0.5:
            self.world.index()

    def finish(self) -> None:
        """Let one engine work on in peace until nothing is left to do."""
        self.world.restart()
        self.world.settle_down(self._is_over_by_and_by)
        self._look(check_all)
        confirmed = self.world.confirmed_logs()
        ended = {
            row.payment_id
            for row in self.world.rows(requests)
            if row.state in ("settled", "refunded")
        }
        assert len(confirmed) == len(set(confirmed)), "a payment was confirmed twice"
        assert set(confirmed) == ended, "the chain and the books differ"

    def _look(self, look: Callable[..., list[Finding]] = check_tables) -> None:
        """Nothing is broken; signed bytes, which never change, are read at the end only."""
        world = self.world
        signer = (world.lane.chain_id, world.lane.sender)
        pooled = world.reader.nonce(world.lane.sender, "pending")
        with world.lane.engine.connect() as connection:
            found = look(connection, chain_nonces={signer: pooled})
        broken = [one for one in found if not one.ok]
        assert not broken, broken

    def _is_over_by_and_by(self) -> bool:
        """Whether nothing is left to do; if something is, what is tried again later is due now."""
        with self.world.lane.engine.begin() as connection:
            for table in (requests, actions):
                connection.execute(
                    update(table)
                    .where(table.c.state == "blocked")
                    .values(state_since=func.now() - AN_HOUR)
                )
        ended = {"settled", "refunded", "void"}
        return ended >= set(self.world.states()) and all(
            row.state == "done" for row in self.world.rows(actions)
        )

    def _runner(self) -> Runner:
        watched = WatchedEngine(
            self.world.lane.engine, before=self._before_commit, after=self._after
        )
        runner = Runner(replace(self.world.lane, engine=cast("Engine", watched)))
        runner.start()
        return runner

    def _take_turn(self, which: int) -> None:
        try:
            self.runners[which].turn()
        except Crash:
            self.runners[which] = self._runner()
        except (TransientError, RpcError):
            pass  # the chain changed under it; the process takes another turn

    def _before_commit(self) -> None:
        if self._is_stillborn and self._left <= 1:
            self._is_stillborn = False
            raise Crash

    def _after(self, wrote: bool) -> None:  # noqa: FBT001 - called by the engine
        if wrote:
            self._look()
        self._left -= 1
        if self._left == 0:
            self._interrupt()
            self._look()

    def _mined_above(self, number: int) -> list[bytes]:
        """Our transactions in the blocks above, in order."""
        with self.world.lane.engine.connect() as connection:
            raws = connection.execute(
                select(attempts.c.raw)
                .join(nonce_slots, nonce_slots.c.mined_tx == attempts.c.tx_hash)
                .where(nonce_slots.c.mined_block > number)
                .order_by(nonce_slots.c.nonce)
            )
            return [bytes(raw) for raw in raws.scalars()]

    def _head(self) -> int:
        return int(self.world.anvil.call("eth_blockNumber"), 16)


def _nothing() -> None:
    """Nothing happens."""


def _die() -> None:
    raise Crash
