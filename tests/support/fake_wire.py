"""Logs and receipts of memory as a node tells them on the wire."""

from indexer.chain.blocks import Log, Receipt
from indexer.chain.types import to_hex
from indexer.chain.wire import WireLog, WireReceipt
from tests.support.fake_blocks import GENESIS_UNIX


def wire_log(log: Log) -> WireLog:
    return WireLog(
        address=to_hex(log.address),
        topics=list(map(to_hex, log.topics)),
        data=to_hex(log.data),
        block_number=hex(log.block_number),
        block_hash=to_hex(log.block_hash),
        transaction_hash=to_hex(log.tx_hash),
        transaction_index=hex(log.tx_index),
        log_index=hex(log.log_index),
        block_timestamp=hex(GENESIS_UNIX + log.block_number),
    )


def wire_receipt(receipt: Receipt) -> WireReceipt:
    return WireReceipt(
        status=hex(receipt.succeeded),
        cumulative_gas_used=hex(receipt.cumulative_gas_used),
        gas_used=hex(receipt.gas_used),
        logs_bloom=to_hex(receipt.logs_bloom),
        logs=list(map(wire_log, receipt.logs)),
        transaction_hash=to_hex(receipt.tx_hash),
        transaction_index=hex(receipt.tx_index),
        block_number=hex(receipt.block_number),
        block_hash=to_hex(receipt.block_hash),
        type=hex(receipt.type),
        effective_gas_price=hex(receipt.effective_gas_price),
    )
