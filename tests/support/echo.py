"""A contract that logs what it is told, so that a real chain can carry any event."""

from typing import Any

from indexer.chain.types import Address, TxHash, address_from_hex, hash_from_hex, to_hex
from stack.anvil import Anvil
from tests.support.fake_blocks import FakeLog
from tests.support.waiting import eventually

_WORD = 32
_MAX_TOPICS = 4
_PROLOGUE = bytes.fromhex("60003556")  # JUMP to calldata word 0


def _section(topics: int) -> bytes:
    """Log calldata after the topics with the topics before it: LOG0 + topics."""
    skip = _WORD * (topics + 1)
    size = bytes([0x60, skip, 0x36, 0x03])  # CALLDATASIZE - skip
    code = b"\x5b" + size + bytes([0x60, skip, 0x60, 0, 0x37])  # CALLDATACOPY(0, skip, size)
    for place in range(topics, 0, -1):
        code += bytes([0x60, _WORD * place, 0x35])
    return code + size + bytes([0x60, 0, 0xA0 + topics, 0x00])


_SECTIONS = [_section(topics) for topics in range(_MAX_TOPICS + 1)]
_RUNTIME = _PROLOGUE + b"".join(_SECTIONS)
_ENTRY = [len(_PROLOGUE) + sum(map(len, _SECTIONS[:n])) for n in range(_MAX_TOPICS + 1)]
ECHO_CODE = bytes.fromhex(f"60{len(_RUNTIME):02x}80600b6000396000f3") + _RUNTIME


def deploy(anvil: Anvil, code: bytes) -> Address:
    """Deploy from anvil's first account; the chain mines at once."""
    receipt = _receipt(anvil, _send(anvil, {"data": to_hex(code)}))
    assert receipt["status"] == "0x1"
    return address_from_hex(receipt["contractAddress"])


def emit(anvil: Anvil, log: FakeLog, *, waits: bool = True) -> TxHash:
    """Have the echo contract at ``log.address`` log it.

    Args:
        anvil: The chain.
        log: What to log, and where.
        waits: Whether to return only once it is mined; not where blocks are mined by hand.
    """
    entry = _ENTRY[len(log.topics)].to_bytes(_WORD, "big")
    payload = entry + b"".join(log.topics) + log.data
    tx_hash = _send(anvil, {"to": to_hex(log.address), "data": to_hex(payload)})
    if waits:
        _receipt(anvil, tx_hash)
    return tx_hash


def _receipt(anvil: Anvil, tx_hash: TxHash) -> dict[str, Any]:
    """The receipt; anvil may answer a send a moment before it has mined the block."""
    return eventually(lambda: anvil.call("eth_getTransactionReceipt", to_hex(tx_hash)))


def _send(anvil: Anvil, transaction: dict[str, str]) -> TxHash:
    sender = anvil.call("eth_accounts")[0]
    tx_hash = anvil.call("eth_sendTransaction", {"from": sender, "gas": "0xf4240", **transaction})
    return TxHash(hash_from_hex(tx_hash))
