"""State the facts of a small real chain row by row, and project them: no following, all final."""

from typing import Any

from sqlalchemy import Connection, Engine, insert

from indexer.chain.blocks import Log
from indexer.chain.networks import network_by_name
from indexer.chain.rpc import ChainReader
from indexer.chain.types import BlockNumber, BlockStamp
from indexer.decode import Event, decode_log
from indexer.payment_keys import announced_id, created_id
from indexer.projections.rebuild import rebuild
from indexer.tables import blocks, details, logs, marks, payments_confirmed, payments_created

NETWORK = network_by_name("celo-local")
CHAIN = NETWORK.chain_id
Values = dict[str, Any]
_TABLES = (blocks, details, logs, marks, payments_confirmed, payments_created)


def index_all(engine: Engine, reader: ChainReader) -> BlockStamp:
    """Write the facts and projections of the whole chain anew, all of it final."""
    head = reader.block_by_number("latest")
    assert head is not None
    found = reader.logs(BlockNumber(0), head.number, [])
    with engine.begin() as connection:
        for table in _TABLES:
            connection.execute(table.delete())
        _write_blocks(connection, reader, {log.block_number for log in found})
        for log in found:
            event = decode_log(log)
            if isinstance(event, Event) and event.type.name != "Transfer":
                _write(connection, event)
        stamp = head.stamp
        at = {"number": stamp.number, "hash": stamp.hash, "timestamp": stamp.timestamp}
        marked = {
            f"{mark}_{what}": value
            for mark in ("fetched", "indexed", "finalized")
            for what, value in at.items()
        }
        connection.execute(
            insert(marks),
            {"chain_id": CHAIN, "network": NETWORK.name, "first_block": 0, **marked},
        )
        rebuild(connection, CHAIN)
    return stamp


def _write_blocks(connection: Connection, reader: ChainReader, numbers: set[BlockNumber]) -> None:
    rows = [
        {
            "chain_id": CHAIN,
            "number": header.number,
            "hash": header.hash,
            "parent_hash": header.parent_hash,
            "timestamp": header.timestamp,
            "receipts_root": header.receipts_root,
            "logs_count": 1,
            "proven": True,
        }
        for number in sorted(numbers)
        for header in reader.headers([number])
    ]
    connection.execute(insert(blocks), rows)


def _place(log: Log) -> Values:
    return {
        "chain_id": CHAIN,
        "block_number": log.block_number,
        "log_index": log.log_index,
        "tx_index": log.tx_index,
        "block_hash": log.block_hash,
        "tx_hash": log.tx_hash,
    }


def _write(connection: Connection, event: Event) -> None:
    at, kind = _place(event.log), event.type
    if kind.fact == "payments_created":
        created = _created(event)
        connection.execute(insert(payments_created), at | created)
        if created["is_crypto"]:
            confirmed = {"payment_id": created["payment_id"], "event": kind.name, "ordinal": 0}
            row = at | confirmed | {"treasury": event.log.address}
            connection.execute(insert(payments_confirmed), row)
        return
    if kind.fact == "payments_confirmed":
        batch = kind.name == "PaymentBatchConfirmed"
        ids = event.hashes_of("paymentIds") if batch else [event.bytes_of("paymentId")]
        for ordinal, payment_id in enumerate(ids):
            row = {"payment_id": payment_id, "ordinal": ordinal, "event": kind.name}
            row |= at | {"treasury": event.log.address}
            connection.execute(insert(payments_confirmed), row)
        return
    stated = {
        "address": event.log.address,
        "event": kind.name,
        "abi_version": kind.abi_version,
        "arguments": event.json_arguments(),
        "topics": b"".join(event.log.topics),
        "data": event.log.data,
    }
    connection.execute(insert(logs), at | stated)


def _created(event: Event) -> Values:
    return {
        "treasury": event.log.address,
        "payment_id": created_id(event),
        "announced_id": event.bytes_of("paymentId"),
        "buyer": event.address_of("buyerAddress"),
        "buyer_id": event.bytes_of("buyerId"),
        "item_id": event.bytes_of("itemId"),
        "token": event.address_of("paymentToken"),
        "amount": event.integer_of("amount"),
        "expiration": event.integer_of("expiration"),
        "is_crypto": announced_id(event) is not None,
        "abi_version": event.type.abi_version,
    }
