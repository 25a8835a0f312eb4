import json
from pathlib import Path

import pytest
from eth_account import Account

from indexer.errors import ConfigurationError
from settlement.signers.keystore import KeystoreSigner
from tests.settlement.signers.custody import KEPT, KEPT_ADDRESS, SECRET, TRANSACTION


def test_keystore_opens_with_its_password_and_only_with_it(tmp_path: Path) -> None:
    keystore, password = tmp_path / "key.json", tmp_path / "password"
    encrypted = Account.encrypt(SECRET, "segredo", kdf="pbkdf2", iterations=2)
    keystore.write_text(json.dumps(encrypted))
    password.write_text("segredo\n")
    opened = KeystoreSigner.open(keystore, password)
    assert opened.address == KEPT_ADDRESS
    assert "segredo" not in repr(vars(opened))

    password.write_text("outra")
    with pytest.raises(ConfigurationError, match="does not open"):
        KeystoreSigner.open(keystore, password)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        KeystoreSigner.open(tmp_path / "missing", password)


def test_keystore_gives_the_same_bytes_again() -> None:
    signer = KeystoreSigner(KEPT)
    assert signer.sign(TRANSACTION) == signer.sign(TRANSACTION)
