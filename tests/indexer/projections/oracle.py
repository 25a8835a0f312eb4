"""What facts add up to, told again in plain Python: one pass over all of them, in order."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from indexer.chain.types import Address, PaymentId, bytes_from_hex
from indexer.tables import logs, payments_confirmed, payments_created
from tests.support.facts import FactRow

Key = tuple[Address, PaymentId]
Place = tuple[int, int]
Life = dict[str, Any]
_KINDS = {payments_created: 0, payments_confirmed: 1, logs: 2}


@dataclass
class Books:
    """Every life so far, by id; and what buyers paid under which name."""

    lives: defaultdict[Key, list[Life]] = field(default_factory=lambda: defaultdict(list))
    announced: dict[Key, PaymentId] = field(default_factory=dict)

    def hear(self, row: FactRow) -> None:
        table, said = row
        if table is payments_created:
            self._create(said)
        elif table is payments_confirmed:
            self._confirm(said)
        elif said["event"] in ("PaymentCancelled", "RefundClaimed"):
            self._end(said)

    def _create(self, said: dict[str, Any]) -> None:
        key = said["treasury"], said["payment_id"]
        if said["is_crypto"]:
            self.announced[said["treasury"], said["announced_id"]] = said["payment_id"]
        for life in self.lives[key]:
            life["is_present"] = False
        self.lives[key].append(
            {
                "life": len(self.lives[key]) + 1,
                "is_present": True,
                "amount": said["amount"],
                "created": _at(said),
                "confirmed": None,
                "ended": None,
                "state": "created",
                "refunded_amount": None,
            }
        )

    def _confirm(self, said: dict[str, Any]) -> None:
        found = self.lives[said["treasury"], said["payment_id"]]
        if found and found[-1]["state"] == "created":
            found[-1] |= {"state": "confirmed", "confirmed": _at(said)}

    def _end(self, said: dict[str, Any]) -> None:
        arguments = said["arguments"]
        key = said["address"], PaymentId(bytes_from_hex(arguments["paymentId"]))
        outcome = "refunded" if said["event"] == "RefundClaimed" else "cancelled"
        if outcome == "refunded" and not self._is_alive(key) and key in self.announced:
            key = key[0], self.announced[key]
        if self._is_alive(key):
            amount = int(arguments["refundAmount"]) if outcome == "refunded" else None
            self.lives[key][-1] |= {
                "state": outcome,
                "ended": _at(said),
                "refunded_amount": amount,
            }

    def _is_alive(self, key: Key) -> bool:
        found = self.lives[key]
        return bool(found) and found[-1]["ended"] is None


def fold(rows: Iterable[FactRow]) -> dict[tuple[Address, PaymentId, int], Life]:
    """Every life that these facts make, in whatever order they are given."""
    books = Books()
    for row in sorted((row for row in rows if row[0] in _KINDS), key=_order):
        books.hear(row)
    return {(*key, life["life"]): life for key, found in books.lives.items() for life in found}


def _at(said: dict[str, Any]) -> Place:
    return said["block_number"], said["log_index"]


def _order(row: FactRow) -> tuple[int, ...]:
    table, said = row
    return (*_at(said), _KINDS[table], said.get("ordinal", 0))
