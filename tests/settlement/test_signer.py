import json
from pathlib import Path

import pytest
from eth_account import Account
from typing_extensions import override

from indexer.chain.types import ChainId, Wei
from indexer.errors import ConfigurationError, InvariantError
from settlement.fees import Fees
from settlement.signer import KeystoreSigner, UnsignedTransaction, sign_checked
from settlement.types import Nonce
from tests.settlement.builders import TREASURY
from tests.settlement.world import ADMIN

TRANSACTION = UnsignedTransaction(
    chain_id=ChainId(31337),
    nonce=Nonce(0),
    to=TREASURY,
    calldata=b"\x00\x01",
    gas_limit=21_000,
    fees=Fees(Wei(200), Wei(0)),
)


class OtherFields(KeystoreSigner):
    """A signer that signs something else than it was asked to."""

    @override
    def sign(self, transaction: UnsignedTransaction) -> bytes:
        changed = UnsignedTransaction(
            chain_id=transaction.chain_id,
            nonce=Nonce(transaction.nonce + 1),
            to=transaction.to,
            calldata=transaction.calldata,
            gas_limit=transaction.gas_limit,
            fees=transaction.fees,
        )
        return super().sign(changed)


class OtherKey(KeystoreSigner):
    """A signer that signs with another key than the one it names."""

    @override
    def sign(self, transaction: UnsignedTransaction) -> bytes:
        return KeystoreSigner(Account.create()).sign(transaction)


def test_sign_checked_gives_the_same_bytes_again() -> None:
    first = sign_checked(KeystoreSigner(ADMIN), TRANSACTION)
    assert sign_checked(KeystoreSigner(ADMIN), TRANSACTION) == first


@pytest.mark.parametrize(
    ("signer", "words"), [(OtherFields, "changed the transaction"), (OtherKey, "signed as")]
)
def test_sign_checked_refuses_what_was_not_asked_for(
    signer: type[KeystoreSigner], words: str
) -> None:
    with pytest.raises(InvariantError, match=words):
        sign_checked(signer(ADMIN), TRANSACTION)


def test_keystore_opens_with_its_password_and_only_with_it(tmp_path: Path) -> None:
    keystore, password = tmp_path / "key.json", tmp_path / "password"
    encrypted = Account.encrypt(ADMIN.key, "segredo", kdf="pbkdf2", iterations=2)
    keystore.write_text(json.dumps(encrypted))
    password.write_text("segredo\n")
    opened = KeystoreSigner.open(keystore, password)
    assert opened.address.hex() == ADMIN.address[2:].lower()
    assert "segredo" not in repr(vars(opened))

    password.write_text("outra")
    with pytest.raises(ConfigurationError, match="does not open"):
        KeystoreSigner.open(keystore, password)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        KeystoreSigner.open(tmp_path / "missing", password)
