"""What a lane's process does beside its turns: tell of its account, and seal the record."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from indexer.chain.types import Wei
from indexer.errors import InvariantError
from settlement.audit.seal import seal_due
from settlement.lane import Lane
from settlement.reporting.metrics import SettlementMetrics
from settlement.types import Nonce

log = structlog.get_logger()

SEAL_EVERY_S = 5.0
ACCOUNT_EVERY_S = 15.0
"""Between two looks at the account's coins: a scrape sees no more."""


@dataclass(slots=True)
class Upkeep:
    """Keeps the process's figures of now."""

    metrics: SettlementMetrics
    clock: Callable[[], float] = time.monotonic
    _seen: tuple[float, Wei, Nonce] | None = field(default=None, init=False)
    _sealed_at: float | None = field(default=None, init=False)

    def turn_ended(self, lane: Lane) -> None:
        """Note that a turn has ended, and do what is due.

        Raises:
            RpcUnavailable: No node answers.
            sqlalchemy.exc.DBAPIError: Postgres is away.
        """
        now = self.clock()
        if self._sealed_at is None or now - self._sealed_at >= SEAL_EVERY_S:
            self._sealed_at = now
            self._seal(lane)
        if self._seen is None or now - self._seen[0] >= ACCOUNT_EVERY_S:
            nonce = Nonce(lane.reader.nonce(lane.sender))
            self._seen = (now, lane.reader.balance(lane.sender), nonce)
        _, balance_wei, chain_nonce = self._seen
        self.metrics.observe_account(balance_wei, chain_nonce)

    def _seal(self, lane: Lane) -> None:
        try:
            seal_due(lane.engine)
        except InvariantError:  # a record that was tampered with is no reason to owe a backer
            log.exception("record_cannot_be_sealed")
