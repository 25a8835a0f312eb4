"""What the newest block decides for one turn: time, room, and what gas costs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from indexer.chain.blocks import FeeHistory
from indexer.chain.types import BlockNumber, Wei
from settlement.fees import Fees, offer, usual_tip

FEE_HISTORY_BLOCKS = 5
MEDIAN_PERCENTILE = 50


class FeeSource(Protocol):
    """Whom prices are asked of: ``ChainReader``."""

    def fee_history(self, blocks: int, percentiles: tuple[float, ...]) -> FeeHistory:
        """``eth_feeHistory``."""
        ...


@dataclass(slots=True)
class Prices:
    """What gas costs now: asked when it is first wanted, once a turn."""

    source: FeeSource
    tip_floor_wei: Wei
    cap_wei: Wei
    _known: tuple[Wei, Wei] | None = field(default=None, init=False)

    def offer(self) -> Fees:
        """What a first attempt offers.

        Raises:
            RpcUnavailable: No node answers.
        """
        base_fee, tip = self._read()
        return offer(base_fee, tip, cap_wei=self.cap_wei)

    def gas_price(self) -> Wei:
        """What a unit of gas costs in the next block, tip included; raises as ``offer``."""
        base_fee, tip = self._read()
        return Wei(base_fee + tip)

    def is_above_cap(self) -> bool:
        """Whether the next block asks more than we ever offer; raises as ``offer``."""
        return self.gas_price() > self.cap_wei

    def _read(self) -> tuple[Wei, Wei]:
        if self._known is None:
            history = self.source.fee_history(FEE_HISTORY_BLOCKS, (MEDIAN_PERCENTILE,))
            seen = [tips[0] for tips in history.rewards if tips and tips[0] > 0]
            tip = usual_tip(seen, floor_wei=self.tip_floor_wei)
            self._known = (history.base_fees[-1], tip)
        return self._known


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block, as the steps of one turn see it."""

    number: BlockNumber
    timestamp: datetime
    block_gas_limit: int
    prices: Prices
