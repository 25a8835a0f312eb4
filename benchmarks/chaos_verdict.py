"""What became of every payment, asked of the chain itself."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eth_hash.auto import keccak
from sqlalchemy import Connection, select

from benchmarks.chaos_site import Place
from benchmarks.chaos_tally import Payment, Verdict
from indexer.chain.types import PaymentId, address_from_hex, to_hex
from settlement.calldata import selector
from settlement.tables import attempts, nonce_slots
from tests.support.real_protocol import ADMIN

CONFIRMED = keccak(b"PaymentConfirmed(bytes32)")
BATCH_CONFIRMED = keccak(b"PaymentBatchConfirmed(bytes32[])")
_WORD = 32
_LIST_HEAD = 2 * _WORD


@dataclass(frozen=True, slots=True)
class _Sent:
    """A mined transaction from the platform's account."""

    tx_hash: str
    nonce: int
    succeeded: bool


def judge(place: Place, captured: Mapping[UUID, Payment], foreign: Mapping[str, str]) -> Verdict:
    """Compare the canonical chain with what was captured and with what settlement knows.

    Args:
        place: Where it happened; nothing happens there any more.
        captured: Every payment that settlement accepted.
        foreign: Transactions of the platform's account that others sent, by hash.
    """
    logged = Counter(_confirmed(place))
    wanted = {payment.payment_id: payment for payment in captured.values()}
    sent = [one for one in _sent(place) if one.nonce >= place.first_nonce]
    own = [one for one in sent if one.tx_hash not in foreign]
    engine = place.engine_as("settlement")
    try:
        with engine.connect() as connection:
            noops, known = _attempts(connection)
            faults = [*_holes(connection, place, sent, foreign)]
    finally:
        engine.dispose()
    faults += [f"{one.tx_hash} is no attempt of ours" for one in own if one.tx_hash not in known]
    faults += [f"{to_hex(one)} was never captured" for one in logged if one not in wanted]
    faults += _amounts(place, captured)
    return Verdict(
        confirmed=sum(logged[one] == 1 for one in wanted),
        missing=sum(logged[one] == 0 for one in wanted),
        duplicates=sum(logged[one] > 1 for one in wanted),
        transactions=len(own),
        wasted_transactions=sum(not one.succeeded or one.tx_hash in noops for one in own),
        faults=tuple(faults),
    )


def _confirmed(place: Place) -> Iterator[PaymentId]:
    """Every payment of every confirmation on the chain."""
    head = place.reader.block_by_number("latest")
    if head is None:
        return
    first = place.site.deployment.first_block
    for log in place.reader.logs(first, head.number, [[CONFIRMED, BATCH_CONFIRMED]]):
        if log.topics[0] == CONFIRMED:
            yield PaymentId(log.topics[1])
            continue
        for at in range(_LIST_HEAD, len(log.data), _WORD):
            yield PaymentId(log.data[at : at + _WORD])


def _sent(place: Place) -> Iterator[_Sent]:
    """Every mined transaction from the platform's account, in order."""
    head = int(place.node.call("eth_blockNumber"), 16)
    for number in range(place.site.deployment.first_block, head + 1):
        block = place.node.call("eth_getBlockByNumber", hex(number), True)
        for transaction in block["transactions"]:
            if address_from_hex(transaction["from"]) == address_from_hex(ADMIN.address):
                yield _Sent(
                    transaction["hash"],
                    int(transaction["nonce"], 16),
                    _succeeded(place, transaction["hash"]),
                )


def _succeeded(place: Place, tx_hash: str) -> bool:
    receipt: dict[str, Any] = place.node.call("eth_getTransactionReceipt", tx_hash)
    return bool(receipt["status"] == "0x1")


def _attempts(connection: Connection) -> tuple[frozenset[str], frozenset[str]]:
    """Hashes of no-ops, and of everything that we ever signed."""
    rows = connection.execute(select(attempts.c.tx_hash, attempts.c.is_noop)).all()
    return (
        frozenset(to_hex(row.tx_hash) for row in rows if row.is_noop),
        frozenset(to_hex(row.tx_hash) for row in rows),
    )


def _holes(
    connection: Connection, place: Place, sent: list[_Sent], foreign: Mapping[str, str]
) -> Iterator[str]:
    """Nonces that neither settlement nor a foreign transaction accounts for, and the other way."""
    slots = set(connection.execute(select(nonce_slots.c.nonce)).scalars())
    taken = slots | {one.nonce for one in sent if one.tx_hash in foreign}
    expected = set(range(place.first_nonce, max(taken, default=place.first_nonce - 1) + 1))
    yield from (f"nonce {nonce} is nobody's" for nonce in sorted(expected - taken))
    mined = {one.nonce for one in sent}
    yield from (f"nonce {nonce} was never mined" for nonce in sorted(taken - mined))


def _amounts(place: Place, captured: Mapping[UUID, Payment]) -> Iterator[str]:
    """Treasuries that did not raise what was captured for them."""
    wanted: dict[bytes, int] = defaultdict(int)
    for payment in captured.values():
        wanted[payment.treasury] += payment.amount_base_units
    for treasury in place.treasuries:
        answer = place.reader.call(treasury, selector("getRaisedAmount()"))
        raised = int.from_bytes(answer, "big")
        if raised != wanted[treasury]:
            yield f"{to_hex(treasury)} raised {raised}, not {wanted[treasury]}"
