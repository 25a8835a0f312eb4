"""Rows of the fact tables, each as the writer would copy it; a builder names what a test varies."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert

from indexer.chain.trie import keccak
from indexer.chain.types import (
    ZERO_ADDRESS,
    Address,
    BlockHash,
    BlockNumber,
    ChainId,
    PaymentId,
    TxHash,
    to_hex,
)
from indexer.payment_keys import crypto_key
from indexer.tables import (
    blocks,
    logs,
    marks,
    payments_confirmed,
    payments_created,
    token_transfers,
    unclaimed_logs,
)

CHAIN = ChainId(31337)
GENESIS = datetime(2026, 1, 31, 12, tzinfo=UTC)
FactRow = tuple[Table, dict[str, Any]]
"""A row and the table it goes to."""


def address(name: str) -> Address:
    return Address(keccak(name.encode())[:20])


def hash_of(name: str) -> bytes:
    return keccak(name.encode())


TREASURY = address("treasury")
TOKEN = address("token")
BUYER = address("buyer")
PAYMENT = PaymentId(hash_of("payment"))


def block_hash(number: int, branch: str = "") -> BlockHash:
    return BlockHash(hash_of(f"block {number}{branch}"))


def position(block: int, log_index: int, *, tx: str | None = None, branch: str = "") -> Any:
    return {
        "chain_id": CHAIN,
        "block_number": block,
        "log_index": log_index,
        "tx_index": log_index // 4,
        "block_hash": block_hash(block, branch),
        "tx_hash": TxHash(hash_of(tx or f"tx {block} {log_index // 4}")),
    }


def block_row(number: int, *, branch: str = "", seconds: int | None = None) -> FactRow:
    return blocks, {
        "chain_id": CHAIN,
        "number": number,
        "hash": block_hash(number, branch),
        "parent_hash": block_hash(number - 1, branch),
        "timestamp": GENESIS + timedelta(seconds=number if seconds is None else seconds),
        "receipts_root": hash_of("root"),
        "logs_count": 1,
        "proven": True,
    }


def created(
    block: int,
    log_index: int,
    payment_id: PaymentId = PAYMENT,
    *,
    treasury: Address = TREASURY,
    amount: int = 100,
    announced: PaymentId | None = None,
    buyer: Address = ZERO_ADDRESS,
    **columns: Any,
) -> FactRow:
    """A creation; with ``announced`` that of a crypto payment."""
    key = payment_id if announced is None else crypto_key(announced, buyer)
    return payments_created, {
        **position(block, log_index),
        "treasury": treasury,
        "payment_id": key,
        "announced_id": announced or payment_id,
        "buyer": buyer,
        "buyer_id": hash_of("buyer id"),
        "item_id": hash_of("item"),
        "token": TOKEN,
        "amount": amount,
        "expiration": 0,
        "is_crypto": announced is not None,
        "abi_version": 3,
        **columns,
    }


def confirmed(
    block: int,
    log_index: int,
    payment_id: PaymentId = PAYMENT,
    *,
    treasury: Address = TREASURY,
    ordinal: int = 0,
    event: str = "PaymentConfirmed",
    **columns: Any,
) -> FactRow:
    return payments_confirmed, {
        **position(block, log_index),
        "treasury": treasury,
        "payment_id": payment_id,
        "ordinal": ordinal,
        "event": event,
        **columns,
    }


def paid(
    block: int,
    log_index: int,
    announced: PaymentId = PAYMENT,
    *,
    buyer: Address = BUYER,
    treasury: Address = TREASURY,
    amount: int = 100,
) -> list[FactRow]:
    """A crypto payment: one log creates and confirms it."""
    made = created(
        block, log_index, treasury=treasury, amount=amount, announced=announced, buyer=buyer
    )
    return [
        made,
        confirmed(
            block, log_index, made[1]["payment_id"], treasury=treasury, event="PaymentCreated"
        ),
    ]


def logged(
    block: int, log_index: int, event: str, emitter: Address, /, **arguments: Any
) -> FactRow:
    """Any other event; bytes and integers are written as the writer writes them."""
    return logs, {
        **position(block, log_index),
        "address": emitter,
        "event": event,
        "abi_version": 3,
        "arguments": {name: _json(value) for name, value in arguments.items()},
        "topics": hash_of(event),
        "data": b"",
    }


def cancelled(
    block: int,
    log_index: int,
    payment_id: PaymentId = PAYMENT,
    *,
    treasury: Address = TREASURY,
) -> FactRow:
    return logged(block, log_index, "PaymentCancelled", treasury, paymentId=payment_id)


def refunded(
    block: int,
    log_index: int,
    name: PaymentId = PAYMENT,
    *,
    treasury: Address = TREASURY,
    amount: int = 100,
) -> FactRow:
    return logged(
        block,
        log_index,
        "RefundClaimed",
        treasury,
        paymentId=name,
        refundAmount=amount,
        claimer=BUYER,
    )


def campaign_made(block: int, log_index: int, campaign: Address) -> FactRow:
    return logged(
        block,
        log_index,
        "CampaignInfoFactoryCampaignCreated",
        address("campaign factory"),
        identifierHash=keccak(campaign),
        campaignInfoAddress=campaign,
    )


def treasury_made(
    block: int, log_index: int, treasury: Address = TREASURY, *, campaign: Address | None = None
) -> FactRow:
    return logged(
        block,
        log_index,
        "TreasuryFactoryTreasuryDeployed",
        address("treasury factory"),
        platformHash=hash_of("platform"),
        implementationId=2,
        infoAddress=campaign or Address(keccak(treasury)[:20]),
        treasuryAddress=treasury,
    )


def transferred(
    block: int, log_index: int, *, recipient: Address = TREASURY, amount: int = 100
) -> FactRow:
    return token_transfers, {
        **position(block, log_index),
        "token": TOKEN,
        "sender": BUYER,
        "recipient": recipient,
        "amount": amount,
    }


def unclaimed(block: int, log_index: int, topics: bytes, data: bytes = b"") -> FactRow:
    return unclaimed_logs, {
        **position(block, log_index),
        "address": address("stranger"),
        "topics": topics,
        "data": data,
        "claimed_block": None,
    }


def add(connection: Connection, *rows: FactRow) -> None:
    """Insert rows, those of one table together."""
    for table in dict.fromkeys(table for table, _ in rows):
        connection.execute(insert(table), [values for at, values in rows if at is table])


def add_blocks(connection: Connection, low: int, high: int, *, branch: str = "") -> None:
    add(connection, *(block_row(number, branch=branch) for number in range(low, high + 1)))


def add_marks(
    connection: Connection, *, indexed: int, finalized: int | None = None, **columns: Any
) -> None:
    """The marks of the chain; whatever stood there goes."""
    stamps = {"indexed": indexed, "fetched": indexed, "finalized": finalized}
    values: dict[str, Any] = {}
    for name, number in stamps.items():
        if number is not None:
            values[f"{name}_number"] = BlockNumber(number)
            values[f"{name}_hash"] = block_hash(number)
            values[f"{name}_timestamp"] = GENESIS
    connection.execute(marks.delete().where(marks.c.chain_id == CHAIN))
    connection.execute(
        insert(marks).values(
            chain_id=CHAIN, network="celo-local", first_block=0, **values, **columns
        )
    )


def _json(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int():
            return str(value)
        case bytes():
            return to_hex(value)
        case _:
            return value
