"""The world around the processes: payments are captured, blocks are mined, undone, fought over.

All that it decides comes from one seeded source; when it acts, it acts on the chain itself.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from eth_hash.auto import keccak
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError

from benchmarks.captured import CENTAVO
from benchmarks.chain import BenchmarkError
from benchmarks.chaos_site import EPOCH_SLOTS, Place
from benchmarks.chaos_tally import Payment, Tally
from benchmarks.settlement_site import NETWORK
from indexer.chain.types import TokenAmount, hash_from_hex, to_hex
from settlement.intake import Conflict, request_settlement
from settlement.tables import attempts
from stack.fakes.chain_proxy.faults import Fault
from tests.support.real_protocol import ADMIN

GWEI = 10**9
DEPTH_MAX = 4
FOREIGN_GAS = 21_000
FOREIGN_FEE_WEI = 5_000 * GWEI
FOREIGN_TIP_WEI = 2_000 * GWEI
SPIKE = 100
STALE_BLOCKS_MAX = 4
LIES: Sequence[Fault] = (
    Fault("accept_then_drop", probability=0.1),
    Fault("error_after_accept", probability=0.1),
    Fault("error_not_sent", probability=0.1),
)
"""Three sends in ten are lied about, at all times."""


class World:
    """What happens to the processes from outside."""

    def __init__(self, place: Place, dice: Random, tally: Tally) -> None:
        """Begin with honest nodes and an empty chain."""
        self.captured: dict[uuid.UUID, Payment] = {}
        """Every payment that settlement accepted, by its request."""
        self.foreign: dict[str, str] = {}
        """Raw transactions of whoever else has the key, by hash."""
        self._place = place
        self._dice = dice
        self._tally = tally
        self._offchain = place.engine_as("offchain")
        self._settlement = place.engine_as("settlement")
        self._weather: list[Fault] = []
        self._base_fee_wei = self._base_fee()
        self._highest = 0

    def close(self) -> None:
        """Let the database go."""
        self._offchain.dispose()
        self._settlement.dispose()

    def lie(self) -> None:
        """Let both nodes lie about sends from now on."""
        for proxy in self._place.proxies:
            for fault in LIES:
                proxy.faults.add(fault)

    def heal(self) -> None:
        """Let everything that the world can mend be well again."""
        for proxy in self._place.proxies:
            proxy.faults.clear()
        self._call("anvil_setNextBlockBaseFeePerGas", hex(self._base_fee_wei))

    def mine(self) -> None:
        """Mine a block of whatever the pool holds."""
        self._call("evm_mine")

    def capture(self, count: int) -> None:
        """Capture payments; one that Postgres interrupts is asked for again, by the same name."""
        for _ in range(count):
            self._capture(uuid.uuid4(), uuid.uuid4(), self._dice.randint(100, 50_000) * CENTAVO)

    def reorganize(self) -> None:
        """Replace the newest blocks: what was in them is lost, or moved, or a part of each."""
        depth = self._depth()
        if depth == 0:
            return
        kept: list[list[Any]] = []
        if self._dice.random() < 0.5:  # noqa: PLR2004 - as often this as that
            raws = self._raws_in(depth)
            fate = sorted(self._dice.randrange(depth) for _ in raws)
            kept = [list(pair) for pair in zip(raws, fate, strict=True)]
            kept = kept[: self._dice.randint(0, len(kept))]
        try:
            self._call("anvil_reorg", depth, kept)
        except BenchmarkError:  # what was kept no longer fits: then all of it is lost
            kept = []
            self._call("anvil_reorg", depth, kept)
        self._tally.reorgs += 1
        self._tally.moved += len(kept)

    def roll_back(self) -> None:
        """Take the newest blocks away and put nothing in their place: the head goes backwards."""
        depth = self._depth()
        if depth:
            self._call("anvil_rollback", depth)
            self._tally.reorgs += 1

    def steal_nonce(self) -> None:
        """Send something else from the platform's account, in front of what is sent by us."""
        nonce = int(self._call("eth_getTransactionCount", ADMIN.address, "latest"), 16)
        signed = ADMIN.sign_transaction(
            {
                "type": 2,
                "chainId": NETWORK.chain_id,
                "nonce": nonce,
                "to": ADMIN.address,
                "value": 0,
                "gas": FOREIGN_GAS,
                "maxFeePerGas": FOREIGN_FEE_WEI,
                "maxPriorityFeePerGas": FOREIGN_TIP_WEI,
            }
        )
        raw = bytes(signed.raw_transaction)
        self._call("eth_sendRawTransaction", to_hex(raw))
        self.foreign[to_hex(keccak(raw))] = to_hex(raw)
        self.mine()
        self._tally.foreign += 1

    def wipe_pool(self) -> None:
        """Let the node forget every transaction that it did not mine."""
        self._call("anvil_dropAllTransactions")
        self._tally.wipes += 1

    def spike(self) -> None:
        """Let the next block ask a hundred times as much for gas."""
        self._call("anvil_setNextBlockBaseFeePerGas", hex(self._base_fee_wei * SPIKE))
        self.mine()
        self._tally.spikes += 1

    def change_weather(self) -> None:
        """Let one node be slow, behind, or talk nonsense for a while, and the others well."""
        for proxy in self._place.proxies:
            for fault in self._weather:
                proxy.faults.remove(fault)
        kinds = (
            Fault("latency", seconds=0.2, probability=0.2),
            Fault("lag", blocks=self._dice.randint(1, STALE_BLOCKS_MAX), probability=0.3),
            Fault("garbage", probability=0.05),
            Fault("timeout", seconds=0.1, probability=0.03),
        )
        self._weather = [self._dice.choice(kinds)]
        self._dice.choice(self._place.proxies).faults.add(self._weather[0])

    def restart_postgres(self) -> None:
        """Take the database away from everybody, and give it back."""
        self._place.base.stop()
        self._place.base.start()
        self._tally.postgres_restarts += 1

    def _capture(self, request_id: uuid.UUID, pledge_id: uuid.UUID, amount: int) -> None:
        treasury = self._dice.choice(self._place.treasuries)
        while True:
            try:
                with self._offchain.begin() as connection:
                    answer = request_settlement(
                        connection,
                        request_id=request_id,
                        chain_id=NETWORK.chain_id,
                        treasury=treasury,
                        pledge_id=pledge_id,
                        generation=0,
                        buyer_commitment=keccak(request_id.bytes),
                        item_id=keccak(b"contribution"),
                        token=self._place.site.token,
                        amount_base_units=TokenAmount(amount),
                        captured_at=datetime.now(UTC),
                    )
            except (OperationalError, InterfaceError):
                continue
            if isinstance(answer, Conflict):
                raise BenchmarkError(f"a payment was not accepted: {answer.reason}")
            self.captured[request_id] = Payment(answer.payment_id, treasury, amount)
            return

    def _depth(self) -> int:
        """How many blocks to undo: never one that was final, however low the head stands now."""
        head = int(self._call("eth_blockNumber"), 16)
        self._highest = max(self._highest, head)
        undoable = head - (self._highest - 2 * EPOCH_SLOTS)
        return min(self._dice.randint(1, DEPTH_MAX), undoable)

    def _raws_in(self, depth: int) -> list[str]:
        """The transactions of the newest blocks, in order, as far as we know their bytes."""
        head = int(self._call("eth_blockNumber"), 16)
        hashes = [
            tx_hash
            for number in range(head - depth + 1, head + 1)
            for tx_hash in self._call("eth_getBlockByNumber", hex(number), False)["transactions"]
        ]
        with self._settlement.connect() as connection:
            rows = connection.execute(
                select(attempts.c.tx_hash, attempts.c.raw).where(
                    attempts.c.tx_hash.in_([hash_from_hex(one) for one in hashes])
                )
            )
            known = self.foreign | {to_hex(row.tx_hash): to_hex(row.raw) for row in rows}
        return [known[tx_hash] for tx_hash in hashes if tx_hash in known]

    def _base_fee(self) -> int:
        return int(self._call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)

    def _call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401 - JSON-RPC results vary
        return self._place.node.call(method, *parameters)
