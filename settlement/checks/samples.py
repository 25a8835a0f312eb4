"""The newest signed bytes, read as a node would read them: what Postgres cannot compute."""

from collections.abc import Sequence
from dataclasses import dataclass

import rlp
from eth_account import Account
from eth_hash.auto import keccak
from rlp.exceptions import RLPException
from sqlalchemy import Connection, text

from indexer.chain.types import ChainId, to_hex
from settlement.checks.check import EXAMPLES_MAX, Finding, found_broken
from settlement.tables import AnyRow

SAMPLES_MAX = 32
"""Transactions: each may be as large as a node takes, 128 KiB."""
_SIGNED_FIELDS = 12
"""Of an EIP-1559 transaction; its type, one byte, stands before them."""

_NEWEST = text(
    """
    SELECT attempt.tx_hash, attempt.chain_id, attempt.signer, attempt.nonce, attempt.is_noop,
        attempt.raw, attempt.max_fee_per_gas_wei, attempt.max_priority_fee_per_gas_wei,
        batch.target, batch.calldata, batch.gas_limit, batch.value_wei
    FROM settlement.attempts AS attempt
    JOIN settlement.nonce_slots AS slot
        ON slot.chain_id = attempt.chain_id AND slot.signer = attempt.signer
        AND slot.nonce = attempt.nonce
    LEFT JOIN settlement.batches AS batch ON batch.id = slot.batch_id
    WHERE coalesce(:chain_id, attempt.chain_id) = attempt.chain_id
    ORDER BY attempt.signed_at DESC, attempt.tx_hash
    LIMIT :samples_max
    """
)


@dataclass(frozen=True, slots=True)
class _Sample:
    """A stored transaction, and what its bytes say; None where they say nothing."""

    row: AnyRow
    fields: tuple[bytes, ...] | None


def check_samples(connection: Connection, chain_id: ChainId | None) -> list[Finding]:
    """Read the newest attempts and compare their bytes with what is stored beside them."""
    parameters = {"chain_id": chain_id, "samples_max": SAMPLES_MAX}
    rows = connection.execute(_NEWEST, parameters)
    samples = [_Sample(row, _fields(bytes(row.raw))) for row in rows]
    return [
        _found(
            "I3.bytes",
            "The newest stored bytes are those of their hash, their nonce and their signer.",
            [one for one in samples if not _is_itself(one)],
        ),
        _found(
            "I4.purpose",
            "Each of the newest transactions makes the call its batch was sealed with, or none.",
            [one for one in samples if not _is_on_purpose(one)],
        ),
    ]


def _found(name: str, title: str, broken: Sequence[_Sample]) -> Finding:
    hashes = sorted(f"transaction {to_hex(one.row.tx_hash)}" for one in broken)
    return found_broken(name, title, hashes[:EXAMPLES_MAX], len(hashes))


def _is_itself(sample: _Sample) -> bool:
    row, fields = sample.row, sample.fields
    if fields is None or keccak(bytes(row.raw)) != row.tx_hash:
        return False
    chain_id, nonce, tip, max_fee = (int.from_bytes(field) for field in fields[:4])
    return (
        (chain_id, nonce) == (row.chain_id, row.nonce)
        and (tip, max_fee) == (row.max_priority_fee_per_gas_wei, row.max_fee_per_gas_wei)
        and _sender(bytes(row.raw)) == row.signer
    )


def _is_on_purpose(sample: _Sample) -> bool:
    row, fields = sample.row, sample.fields
    if fields is None:
        return False
    _, _, _, _, gas, to, value, calldata = fields[:8]
    call = (to, calldata, int.from_bytes(value))
    if row.is_noop:
        return call == (row.signer, b"", 0)
    return call == (row.target, row.calldata, row.value_wei) and (
        int.from_bytes(gas) == row.gas_limit
    )


def _fields(raw: bytes) -> tuple[bytes, ...] | None:
    """The fields of an EIP-1559 transaction; None if the bytes are none."""
    try:
        fields = rlp.decode(raw[1:]) if raw[:1] == b"\x02" else []
    except RLPException:
        return None
    return tuple(fields) if len(fields) == _SIGNED_FIELDS else None


def _sender(raw: bytes) -> bytes | None:
    """Whose signature it is; None if it is nobody's."""
    try:
        return bytes.fromhex(Account.recover_transaction(raw)[2:])
    except (ValueError, TypeError):
        return None
