"""Rows of the fact tables, made from decoded logs. Pure."""

from typing import Any

import numpy as np

from indexer.chain.blocks import Log
from indexer.chain.types import Address, ChainId, PaymentId
from indexer.columnar import LogGroup, Mask, Numbers
from indexer.copying import CopyRows, Value
from indexer.decode import Event, decode_log
from indexer.errors import InvariantError
from indexer.events import PAYMENT_BATCH_CONFIRMED, EventType
from indexer.layouts import Columns
from indexer.payment_keys import crypto_key
from indexer.tables import logs, payments_confirmed, payments_created, unclaimed_logs


def create_payments(
    rows: CopyRows, chain_id: ChainId, group: LogGroup, event: EventType, columns: Columns
) -> None:
    """Payments announced; a crypto payment is confirmed by the event that creates it.

    Source: ``PaymentTreasury.processCryptoPayment`` of the Oak contracts.
    """
    is_crypto: Mask = columns["isCryptoPayment"]
    announced = columns["paymentId"]
    payment_id = announced
    if is_crypto.any():
        payment_id = announced.copy()
        for row in np.flatnonzero(is_crypto):
            key = crypto_key(
                PaymentId(announced[row].tobytes()),
                Address(columns["buyerAddress"][row].tobytes()),
            )
            payment_id[row] = np.frombuffer(key, np.uint8)
    values = {
        "treasury": group.address,
        "payment_id": payment_id,
        "announced_id": announced,
        "buyer": columns["buyerAddress"],
        "buyer_id": columns["buyerId"],
        "item_id": columns["itemId"],
        "token": columns["paymentToken"],
        "amount": columns["amount"],
        "expiration": columns["expiration"],
        "is_crypto": is_crypto,
        "abi_version": event.abi_version,
    }
    rows.add_columns(payments_created, place_of(chain_id, group) | values, len(group))
    if is_crypto.any():
        paid = group.where(is_crypto)
        place = place_of(chain_id, paid) | {"ordinal": 0, "treasury": paid.address}
        named = {"payment_id": payment_id[is_crypto], "event": event.name}
        rows.add_columns(payments_confirmed, place | named, len(paid))


def confirm_batches(rows: CopyRows, chain_id: ChainId, group: LogGroup, hashes: Any) -> None:  # noqa: ANN401 - array
    """One confirmation for each id of each log."""
    count, length = hashes.shape[:2]
    if not length:  # nothing is confirmed, but it was said
        for log in group.logs():
            keep_log(rows, chain_id, log)
        return
    place = {
        name: value if isinstance(value, int) else np.repeat(value, length, axis=0)
        for name, value in (place_of(chain_id, group) | {"treasury": group.address}).items()
    }
    values = {
        "ordinal": np.tile(np.arange(length), count),
        "payment_id": hashes.reshape(count * length, -1),
        "event": PAYMENT_BATCH_CONFIRMED.name,
    }
    rows.add_columns(payments_confirmed, place | values, count * length)


def keep_log(rows: CopyRows, chain_id: ChainId, log: Log) -> None:
    """State one log of a known contract."""
    event = decode_log(log)
    at: dict[str, Value] = {
        "chain_id": chain_id,
        "block_number": log.block_number,
        "log_index": log.log_index,
        "tx_index": log.tx_index,
        "block_hash": log.block_hash,
        "tx_hash": log.tx_hash,
    }
    raw: dict[str, Value] = {
        "address": log.address,
        "topics": b"".join(log.topics),
        "data": log.data,
    }
    if not isinstance(event, Event):
        raise InvariantError(f"log {log.log_index} of block {log.block_number} was found sound")
    if event.type is PAYMENT_BATCH_CONFIRMED and event.hashes_of("paymentIds"):
        of_treasury = at | {"treasury": log.address, "event": event.type.name}
        rows.add_rows(
            payments_confirmed,
            (
                of_treasury | {"ordinal": ordinal, "payment_id": payment_id}
                for ordinal, payment_id in enumerate(event.hashes_of("paymentIds"))
            ),
        )
    else:
        said: dict[str, Value] = {
            "event": event.type.name,
            "abi_version": event.type.abi_version,
            "arguments": event.json_arguments(),
        }
        rows.add_rows(logs, [at | raw | said])


def keep_unclaimed(
    rows: CopyRows, chain_id: ChainId, group: LogGroup, claimed_block: Numbers | None = None
) -> None:
    """Logs that state nothing: nobody we know vouches for them, or not yet at that block.

    Args:
        rows: Where the rows go.
        chain_id: The chain.
        group: The logs.
        claimed_block: For each, the block that made its contract known; None: there is none.
    """
    raw = {
        "address": group.address,
        "topics": group.topics.reshape(len(group), -1),
        "data": group.data,
        "claimed_block": claimed_block,
    }
    rows.add_columns(unclaimed_logs, place_of(chain_id, group) | raw, len(group))


def place_of(chain_id: ChainId, group: LogGroup) -> dict[str, Any]:
    """Where facts stand; the first columns of every fact."""
    return {
        "chain_id": chain_id,
        "block_number": group.block_number,
        "log_index": group.log_index,
        "tx_index": group.tx_index,
        "block_hash": group.block_hash,
        "tx_hash": group.tx_hash,
    }
