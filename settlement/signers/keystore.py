"""A key from an encrypted keystore file, held in this process's memory."""

from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from indexer.chain.types import Address, address_from_hex, to_checksum
from indexer.errors import ConfigurationError
from settlement.transactions import DYNAMIC_FEE_TYPE, UnsignedTransaction


class KeystoreSigner:
    """Signs with a key in memory."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self._address = address_from_hex(account.address)

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


def _fields(transaction: UnsignedTransaction) -> dict[str, Any]:
    return {
        "type": DYNAMIC_FEE_TYPE,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "to": to_checksum(transaction.to),
        "value": transaction.value_wei,
        "data": transaction.calldata,
        "gas": transaction.gas_limit,
        "maxFeePerGas": transaction.fees.max_fee_per_gas_wei,
        "maxPriorityFeePerGas": transaction.fees.max_priority_fee_per_gas_wei,
    }
