"""Gas per settled payment, beside Oak's: ``.venv/bin/python -m benchmarks.gas --json``.

Measured on anvil at Prague rules, without line items, on a treasury that has seen payments before.
``marginal`` is what one payment more costs a batch, from 50 to 200; ``fixed`` is what a transaction
costs before its first payment. Confirmations run over whole words of the confirmation bitmap, so
that the slot which 256 payments share is paid for in full. Oak's figures: github.com/oak-network
contracts at 8280e7e, solc 0.8.22 with 200 runs, same rules, from batches of 10 and 50.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.chain import DAY_S, Protocol, call_data, deploy, running_chain

ZERO = "0x" + "00" * 20
SMALL, LARGE = 50, 200
WORD = 256
WORDS = 25  # 25 words are 128 batches of 50 and 32 of 200
OAK = {"create": 130_602, "confirm": 45_811, "life": 176_413, "nft": 211_581, "fixed": 105_000}
_CREATE = (
    "createPaymentBatch(bytes32[],bytes32[],bytes32[],address[],uint256[],uint256[],"
    "(bytes32,uint256)[][],(bytes32,uint256)[][])"
)
_SETTLE = "settleBatch(address,(bytes32,bytes32,bytes32,address,uint256)[])"


@dataclass(frozen=True, slots=True)
class Cost:
    """Gas of a batch: a fixed part, and a part per payment."""

    marginal: int
    fixed: int


def fit(gas_of_batch: Callable[[int], float]) -> Cost:
    """Draw the line through the mean gas of small and of large batches."""
    small, large = gas_of_batch(SMALL), gas_of_batch(LARGE)
    marginal = (large - small) / (LARGE - SMALL)
    return Cost(round(marginal), round(small - SMALL * marginal))


class Treasury:
    """One treasury, and payments that are new every time."""

    def __init__(self, protocol: Protocol) -> None:
        """Start counting payments."""
        self._protocol = protocol
        self._count = 0
        self._expiration = protocol.chain.timestamp() + 30 * DAY_S

    def create(self, count: int) -> tuple[int, list[bytes]]:
        """Create a batch; returns its gas and ids."""
        ids = self._new_ids(count)
        arguments: tuple[list[Any], ...] = (
            ids,
            [keccak(b"buyer" + payment_id) for payment_id in ids],
            [keccak(b"reward")] * count,
            [self._protocol.token] * count,
            [self._amount(number) for number in range(count)],
            [self._expiration] * count,
            [[]] * count,
            [[]] * count,
        )
        return self._gas(call_data(_CREATE, *arguments)), ids

    def confirm(self, ids: list[bytes], buyers: list[str] | None = None) -> int:
        """Confirm a batch; returns its gas."""
        named = buyers or [ZERO] * len(ids)
        return self._gas(call_data("confirmPaymentBatch(bytes32[],address[])", ids, named))

    def settle(self, count: int) -> int:
        """Settle a batch; returns its gas."""
        settlements = [
            (payment_id, keccak(b"buyer" + payment_id), keccak(b"reward"), ZERO, self._amount(n))
            for n, payment_id in enumerate(self._new_ids(count))
        ]
        return self._gas(call_data(_SETTLE, self._protocol.token, settlements))

    def new_buyers(self, count: int) -> list[str]:
        """Addresses that own no receipt yet."""
        return ["0x" + keccak(b"wallet" + name)[:20].hex() for name in self._new_ids(count)]

    def _new_ids(self, count: int) -> list[bytes]:
        first, self._count = self._count, self._count + count
        return [keccak(f"payment {number}".encode()) for number in range(first, first + count)]

    @staticmethod
    def _amount(number: int) -> int:
        return (5_000 + number) * 10**16  # R$ 50 and some centavos, in base units of BRLA

    def _gas(self, calldata: bytes) -> int:
        chain = self._protocol.chain
        receipt = chain.send(self._protocol.treasury, calldata, self._protocol.platform_admin)
        return int(receipt["gasUsed"], 16)


def mean_over_words(treasury: Treasury, size: int) -> float:
    """Mean gas of confirming 25 words of payments in batches of one size."""
    ids: list[bytes] = []
    while len(ids) < WORDS * WORD:
        ids += treasury.create(WORD)[1]
    batches = [ids[start : start + size] for start in range(0, len(ids), size)]
    return sum(treasury.confirm(batch) for batch in batches) / len(batches)


def measure(protocol: Protocol) -> Iterator[tuple[str, Cost]]:
    """Measure path by path.

    The first word is filled before anything is measured: totals are not zero in a used treasury,
    and every series of confirmations starts with a word of its own.
    """
    treasury = Treasury(protocol)
    treasury.confirm(treasury.create(WORD)[1])
    yield "confirm", fit(lambda size: mean_over_words(treasury, size))
    yield "create", fit(lambda size: treasury.create(size)[0])
    yield "settle", fit(treasury.settle)
    yield (
        "confirm_nft",
        fit(lambda size: treasury.confirm(treasury.create(size)[1], treasury.new_buyers(size))),
    )


def report(costs: dict[str, Cost]) -> dict[str, object]:
    """Name the figures as they are tracked."""
    return {
        "create_compat": costs["create"].marginal,
        "confirm_compat": costs["confirm"].marginal,
        "settle_batch": costs["settle"].marginal,
        "fixed_per_tx": max(costs[path].fixed for path in ("create", "confirm", "settle")),
        "confirm_slim_nft": costs["confirm_nft"].marginal,
        "fixed": {path: cost.fixed for path, cost in costs.items()},
        "oak": OAK,
        "life_ratio": round(OAK["life"] / costs["settle"].marginal, 2),
    }


def draw(costs: dict[str, Cost], console: Console) -> None:
    """Show the figures beside Oak's."""
    table = Table("path", "marginal", "fixed", "Oak's marginal", title="gas per payment")
    oak = {
        "create": OAK["create"],
        "confirm": OAK["confirm"],
        "settle": OAK["life"],
        "confirm_nft": OAK["confirm"] + OAK["nft"],
    }
    for path, cost in costs.items():
        table.add_row(path, f"{cost.marginal:,}", f"{cost.fixed:,}", f"{oak[path]:,}")
    console.print(table)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure the gas of settling payments.")
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    options = parser.parse_args()
    console = Console(stderr=True, quiet=options.json)
    costs: dict[str, Cost] = {}
    with running_chain() as chain, Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=4)
        for path, cost in measure(deploy(chain)):
            costs[path] = cost
            progress.advance(task)
    draw(costs, console)
    print(json.dumps(report(costs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
