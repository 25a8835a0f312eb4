"""Signers sign; they never send. Every signature is checked against what was asked for.

A seam: local keystores now, key services later behind the same protocol.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import rlp
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from indexer.chain.types import Address, ChainId, TxHash, to_checksum, to_hex
from indexer.errors import ConfigurationError, InvariantError
from settlement.fees import Fees
from settlement.types import Nonce

DYNAMIC_FEE_TYPE = 2
"""EIP-1559; fields: chain id, nonce, tip, max fee, gas, to, value, data, access list, signature."""
_SIGNED_FIELDS = 12


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """An EIP-1559 call that carries no coins."""

    chain_id: ChainId
    nonce: Nonce
    to: Address
    calldata: bytes
    gas_limit: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """The bytes for the nodes, and the hash they will be known by."""

    raw: bytes
    tx_hash: TxHash


class Signer(Protocol):
    """Holds one key."""

    @property
    def address(self) -> Address:
        """The account it signs for."""
        ...

    def sign(self, transaction: UnsignedTransaction) -> bytes:
        """Sign; returns the raw transaction."""
        ...


class KeystoreSigner:
    """A key from an encrypted keystore file, held in memory."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self._address = Address(bytes.fromhex(account.address[2:]))

    @classmethod
    def open(cls, keystore: Path, password_file: Path) -> "KeystoreSigner":
        """Decrypt a keystore (Web3 Secret Storage, version 3).

        Raises:
            ConfigurationError: A file is missing, or the password does not open the keystore.
        """
        try:
            password = password_file.read_text(encoding="utf-8").strip("\r\n")
            key = Account.decrypt(keystore.read_text(encoding="utf-8"), password)
        except OSError as error:
            raise ConfigurationError(f"the signer's {error.filename} cannot be read") from None
        except (ValueError, TypeError, KeyError):
            raise ConfigurationError(
                f"{keystore} does not open with the password in {password_file}: check "
                "LASTRO_SIGNER_KEYSTORE and LASTRO_SIGNER_PASSWORD_FILE"
            ) from None
        return cls(Account.from_key(key))

    @property
    def address(self) -> Address:
        """The account it signs for."""
        return self._address

    def sign(self, transaction: UnsignedTransaction) -> bytes:
        """Sign deterministically (RFC 6979): the same transaction gives the same bytes."""
        return bytes(self._account.sign_transaction(_fields(transaction)).raw_transaction)


def sign_checked(signer: Signer, transaction: UnsignedTransaction) -> SignedTransaction:
    """Have a transaction signed and check every field of the answer, and whose signature it is.

    Raises:
        InvariantError: The signed bytes are not the transaction that was asked for.
    """
    raw = signer.sign(transaction)
    expected = [
        _integer(transaction.chain_id),
        _integer(transaction.nonce),
        _integer(transaction.fees.max_priority_fee_per_gas_wei),
        _integer(transaction.fees.max_fee_per_gas_wei),
        _integer(transaction.gas_limit),
        transaction.to,
        b"",
        transaction.calldata,
        [],
    ]
    decoded = rlp.decode(raw[1:]) if raw[:1] == bytes([DYNAMIC_FEE_TYPE]) else []
    if len(decoded) != _SIGNED_FIELDS or list(decoded[: len(expected)]) != expected:
        raise InvariantError(
            f"the signer changed the transaction of nonce {transaction.nonce}: it is not sent"
        )
    sender = Account.recover_transaction(raw)
    if sender.lower() != to_hex(signer.address):
        raise InvariantError(
            f"the signer signed as {sender}, not {to_checksum(signer.address)}: check the keystore"
        )
    return SignedTransaction(raw, TxHash(keccak(raw)))


def _fields(transaction: UnsignedTransaction) -> dict[str, Any]:
    return {
        "type": DYNAMIC_FEE_TYPE,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "to": to_checksum(transaction.to),
        "value": 0,
        "data": transaction.calldata,
        "gas": transaction.gas_limit,
        "maxFeePerGas": transaction.fees.max_fee_per_gas_wei,
        "maxPriorityFeePerGas": transaction.fees.max_priority_fee_per_gas_wei,
    }


def _integer(value: int) -> bytes:
    """RLP's integer: big-endian without leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
