from pathlib import Path

import pytest
from pydantic import SecretStr

from indexer.errors import ConfigurationError
from indexer.settings import checked
from settlement.settings import SettlementSettings
from settlement.signer_settings import (
    KeystoreFiles,
    KmsKey,
    RemoteAccount,
    RemoteWallet,
    SignerSettings,
)

KEYSTORE = {"LASTRO_SIGNER_KEYSTORE": "/k", "LASTRO_SIGNER_PASSWORD_FILE": "/p"}
KMS = {"LASTRO_SIGNER": "kms", "LASTRO_KMS_KEY_ID": "alias/platform", "AWS_REGION": "sa-east-1"}
ACCOUNT = {
    "LASTRO_REMOTE_SIGNER_URL": "https://wallets.example",
    "LASTRO_REMOTE_SIGNER_APP_ID": "app",
    "LASTRO_REMOTE_SIGNER_APP_SECRET": "s3cret",
}
REMOTE = {"LASTRO_SIGNER": "remote", "LASTRO_REMOTE_SIGNER_WALLET_ID": "w1", **ACCOUNT}
OURS = RemoteAccount("https://wallets.example", "app", SecretStr("s3cret"))


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*KEYSTORE, *KMS, *REMOTE}:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (KEYSTORE, KeystoreFiles(Path("/k"), Path("/p"))),
        (KEYSTORE | {"LASTRO_SIGNER": "keystore"}, KeystoreFiles(Path("/k"), Path("/p"))),
        (KMS, KmsKey("alias/platform", "sa-east-1", None)),
        (
            KMS | {"LASTRO_KMS_ENDPOINT_URL": "http://127.0.0.1:1"},
            KmsKey("alias/platform", "sa-east-1", "http://127.0.0.1:1/"),
        ),
        (REMOTE, RemoteWallet(OURS, "w1")),
    ],
)
def test_signer_choice_holds_what_opening_takes(given: dict[str, str], choice: object) -> None:
    assert checked(SignerSettings, **given).signer_choice == choice


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["LASTRO_SIGNER_KEYSTORE", "LASTRO_SIGNER_PASSWORD_FILE"]),
        ({"LASTRO_SIGNER": "kms"}, ["LASTRO_KMS_KEY_ID", "AWS_REGION"]),
        (
            {"LASTRO_SIGNER": "remote"},
            [*ACCOUNT, "LASTRO_REMOTE_SIGNER_WALLET_ID"],
        ),
        (
            KEYSTORE | {"LASTRO_REMOTE_SIGNER_URL": "https://wallets.example"},
            ["LASTRO_REMOTE_SIGNER_APP_ID", "LASTRO_REMOTE_SIGNER_APP_SECRET"],
        ),
        ({"LASTRO_SIGNER": "ledger"}, ["LASTRO_SIGNER"]),
    ],
)
def test_settings_name_all_that_is_missing_and_nothing_else(
    given: dict[str, str], missing: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked(SignerSettings, **given)
    named = [line.strip().partition(":")[0] for line in str(refused.value).splitlines()[1:]]
    assert named == missing


def test_settings_name_a_missing_key_among_all_other_faults() -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked(SettlementSettings, LASTRO_SIGNER="kms")
    for name in ("LASTRO_CHAIN", "LASTRO_RPC_URLS", "LASTRO_KMS_KEY_ID", "AWS_REGION"):
        assert name in str(refused.value)


@pytest.mark.parametrize(
    ("given", "account"),
    [(KEYSTORE, None), (KMS, None), (REMOTE, OURS), (KEYSTORE | ACCOUNT, OURS)],
)
def test_remote_account_is_there_wherever_its_url_is(
    given: dict[str, str], account: RemoteAccount | None
) -> None:
    settings = checked(SignerSettings, **given)
    assert settings.remote_account == account
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        (KEYSTORE, "LASTRO_SIGNER_KEYSTORE"),
        (KMS, "LASTRO_KMS_KEY_ID"),
        (REMOTE, "LASTRO_REMOTE_SIGNER_WALLET_ID"),
    ],
)
def test_signer_variable_is_the_one_that_names_the_key(
    given: dict[str, str], variable: str
) -> None:
    assert checked(SignerSettings, **given).signer_variable == variable
