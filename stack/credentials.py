"""Secrets and keys of a local stack: made once, kept in its directory, readable by its owner."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.chain.types import Address

_KEYSTORE_ITERATIONS = 4096
"""Far below what a real keystore needs: this one guards play money and opens in milliseconds."""


@dataclass(frozen=True, slots=True)
class LocalSecrets:
    """What the processes of one local stack share."""

    crowdsplit_client_id: str
    crowdsplit_client_secret: str
    crowdsplit_webhook_secret: str
    stripe_secret_key: str
    stripe_webhook_secret: str
    paystack_secret_key: str
    operator_token: str
    cursor_secret: str
    s3_access_key_id: str
    s3_secret_access_key: str
    upload_secret: str


def load_secrets(directory: Path) -> LocalSecrets:
    """Read the stack's secrets, making those it does not have yet."""
    path = directory / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    whole = LocalSecrets(**(_made() | known))
    if asdict(whole) != known:
        _write_private(path, json.dumps(asdict(whole)))
    return whole


def _made() -> dict[str, str]:
    """A whole set of new secrets."""
    return {
        "crowdsplit_client_id": f"client_{secrets.token_hex(8)}",
        "crowdsplit_client_secret": secrets.token_hex(24),
        "crowdsplit_webhook_secret": f"whsec_{secrets.token_hex(24)}",
        "stripe_secret_key": f"sk_test_{secrets.token_hex(24)}",
        "stripe_webhook_secret": f"whsec_{secrets.token_hex(24)}",
        "paystack_secret_key": f"sk_test_{secrets.token_hex(20)}",
        "operator_token": secrets.token_hex(24),
        "cursor_secret": secrets.token_hex(32),
        "s3_access_key_id": f"AKIALASTRO{secrets.token_hex(5).upper()}",
        "s3_secret_access_key": secrets.token_hex(20),
        "upload_secret": secrets.token_hex(32),
    }


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """The platform admin's key: settlement signs with it and nobody else."""

    address: Address
    keystore: Path
    password_file: Path

    def private_key(self) -> str:
        """Decrypt the key, ``0x`` hex. For enlisting the platform on a local chain only."""
        from eth_account import Account

        raw = Account.decrypt(self.keystore.read_text(), self.password_file.read_text().strip())
        return "0x" + bytes(raw).hex()


def load_platform_key(directory: Path) -> PlatformKey:
    """Open the stack's platform key, making one at the first start."""
    from eth_account import Account

    keystore = directory / "platform-key.json"
    password_file = directory / "platform-key.password"
    if not keystore.exists():
        password = secrets.token_hex(16)
        account = Account.create()
        encrypted = Account.encrypt(
            account.key, password, kdf="pbkdf2", iterations=_KEYSTORE_ITERATIONS
        )
        _write_private(password_file, password)
        _write_private(keystore, json.dumps(encrypted))
    address = bytes.fromhex(json.loads(keystore.read_text())["address"].removeprefix("0x"))
    return PlatformKey(Address(address), keystore, password_file)


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
