"""Settings that choose who signs: one process works one chain, so its environment chooses for it.

Only what the chosen signer needs is required; whatever is missing is named with all the rest.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar, assert_never

from pydantic import AnyHttpUrl, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from indexer.errors import InvariantError

SignerName = Literal["keystore", "kms", "remote"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeystoreFiles:
    """An encrypted keystore and the file that holds its password."""

    keystore: Path
    password_file: Path


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A secp256k1 key in AWS KMS; credentials come from AWS's own chain of places."""

    key_id: str
    """Id, ARN or alias."""
    region: str
    endpoint_url: str | None
    """Instead of AWS's own; for a VPC endpoint or a test."""


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """An application's account at a wallet service."""

    url: str
    app_id: str
    app_secret: SecretStr


@dataclass(frozen=True, slots=True)
class RemoteWallet:
    """One wallet at a wallet service."""

    account: RemoteAccount
    wallet_id: str


SignerChoice = KeystoreFiles | KmsKey | RemoteWallet

_REQUIRED_BY: Final[dict[str, SignerName]] = {
    "signer_keystore": "keystore",
    "signer_password_file": "keystore",
    "kms_key_id": "kms",
    "aws_region": "kms",
    "remote_signer_url": "remote",
    "remote_signer_app_id": "remote",
    "remote_signer_app_secret": "remote",
    "remote_signer_wallet_id": "remote",
}
_KEY_VARIABLE: Final[dict[SignerName, str]] = {
    "keystore": "LASTRO_SIGNER_KEYSTORE",
    "kms": "LASTRO_KMS_KEY_ID",
    "remote": "LASTRO_REMOTE_SIGNER_WALLET_ID",
}
_ACCOUNT = ("remote_signer_app_id", "remote_signer_app_secret")
"""Needed wherever the wallet service is, even if the platform's own key lies elsewhere."""


class SignerSettings(BaseSettings):
    """Who signs for the platform, and where people's wallets are kept."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    signer: SignerName = Field(
        "keystore",
        description="Who holds the platform's key: keystore, kms or remote.",
        validation_alias="LASTRO_SIGNER",
    )
    signer_keystore: Path | None = Field(
        None,
        validate_default=True,
        description="keystore: encrypted keystore (JSON) of the platform admin.",
        validation_alias="LASTRO_SIGNER_KEYSTORE",
    )
    signer_password_file: Path | None = Field(
        None,
        validate_default=True,
        description="keystore: file whose one line is the keystore's password.",
        validation_alias="LASTRO_SIGNER_PASSWORD_FILE",
    )
    kms_key_id: str | None = Field(
        None,
        validate_default=True,
        description="kms: id, ARN or alias of the platform admin's key (ECC_SECG_P256K1).",
        validation_alias="LASTRO_KMS_KEY_ID",
    )
    aws_region: str | None = Field(
        None,
        validate_default=True,
        description="kms: AWS region of the key.",
        validation_alias="AWS_REGION",
    )
    kms_endpoint_url: AnyHttpUrl | None = Field(
        None,
        description="kms: endpoint instead of AWS's public one.",
        validation_alias="LASTRO_KMS_ENDPOINT_URL",
    )
    remote_signer_url: AnyHttpUrl | None = Field(
        None,
        validate_default=True,
        description="Wallet service that keeps creators' and backers' wallets, and with "
        "LASTRO_SIGNER=remote the platform's; without its /v1.",
        validation_alias="LASTRO_REMOTE_SIGNER_URL",
    )
    remote_signer_app_id: str | None = Field(
        None,
        validate_default=True,
        description="Application id at the wallet service.",
        validation_alias="LASTRO_REMOTE_SIGNER_APP_ID",
    )
    remote_signer_app_secret: SecretStr | None = Field(
        None,
        validate_default=True,
        description="Application secret at the wallet service.",
        validation_alias="LASTRO_REMOTE_SIGNER_APP_SECRET",
    )
    remote_signer_wallet_id: str | None = Field(
        None,
        validate_default=True,
        description="remote: the platform admin's wallet at the wallet service.",
        validation_alias="LASTRO_REMOTE_SIGNER_WALLET_ID",
    )

    @field_validator(*_REQUIRED_BY)
    @classmethod
    def _given_where_needed(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a missing setting where the choices before it need it.

        Raises:
            ValueError: It is missing.
        """
        if value is not None or info.field_name is None:
            return value
        signer = _REQUIRED_BY[info.field_name]
        if info.data.get("signer") == signer:
            raise ValueError(f"required, as LASTRO_SIGNER is {signer}")
        if info.field_name in _ACCOUNT and info.data.get("remote_signer_url") is not None:
            raise ValueError("required, as LASTRO_REMOTE_SIGNER_URL is set")
        return value

    @property
    def signer_choice(self) -> SignerChoice:
        """Who signs for the platform, with all that opening it takes."""
        match self.signer:
            case "keystore":
                return KeystoreFiles(
                    _given(self.signer_keystore), _given(self.signer_password_file)
                )
            case "kms":
                url = self.kms_endpoint_url
                return KmsKey(
                    key_id=_given(self.kms_key_id),
                    region=_given(self.aws_region),
                    endpoint_url=None if url is None else str(url),
                )
            case "remote":
                return RemoteWallet(
                    _given(self.remote_account), _given(self.remote_signer_wallet_id)
                )
            case _:
                assert_never(self.signer)

    @property
    def signer_variable(self) -> str:
        """The variable that names the platform's key."""
        return _KEY_VARIABLE[self.signer]

    @property
    def remote_account(self) -> RemoteAccount | None:
        """Our account at the wallet service; None where there is none."""
        if self.remote_signer_url is None:
            return None
        return RemoteAccount(
            url=str(self.remote_signer_url).rstrip("/"),
            app_id=_given(self.remote_signer_app_id),
            app_secret=_given(self.remote_signer_app_secret),
        )


def _given(value: T | None) -> T:
    if value is None:
        raise InvariantError("settings were used that their own validation refuses")
    return value
