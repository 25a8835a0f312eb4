"""What the fake wallet service remembers: wallets, their keys, and answers given before."""

import hashlib
import json
import secrets
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from stack.fakes.remote_signer.words import EXTERNAL_ID, Refused, invalid

IDEMPOTENCY_WINDOW = timedelta(hours=24)
EXTERNAL_PREFIX = "ext_wal_"
"""Before an external id, it stands for the wallet's own id in any path."""
CHAIN_TYPE = "ethereum"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredWallet:
    """One wallet and its key."""

    id: str
    external_id: str | None
    created_at: int
    """Unix milliseconds."""
    key: str
    """``0x`` hex."""

    @property
    def account(self) -> LocalAccount:
        """The key, ready to sign."""
        account: LocalAccount = Account.from_key(self.key)
        return account

    def document(self) -> Json:
        """The wallet as the service shows it."""
        return {
            "id": self.id,
            "address": self.account.address,
            "chain_type": CHAIN_TYPE,
            "external_id": self.external_id,
            "policy_ids": [],
            "additional_signers": [],
            "owner_id": None,
            "created_at": self.created_at,
            "exported_at": None,
            "imported_at": None,
        }


@dataclass(frozen=True, slots=True)
class _Answered:
    digest: bytes
    answer: Json | Refused
    at: datetime


class Vault:
    """The service's memory. Every public method is one atomic step.

    Args:
        app_id: Of the one application that is let in.
        app_secret: Of the same.
        file: Where keys outlive the process, but not the answers to idempotency keys; None for
            memory only.
    """

    def __init__(self, *, app_id: str, app_secret: str, file: Path | None = None) -> None:
        self.lock = threading.RLock()
        token = b64encode(f"{app_id}:{app_secret}".encode()).decode()
        self._admitted = (f"Basic {token}", app_id)
        self._file = file
        self._ahead = timedelta(0)
        self._answered: dict[str, _Answered] = {}
        self._wallets: dict[str, StoredWallet] = {}
        if file is not None and file.exists():
            for row in json.loads(file.read_text()):
                self._wallets[row["id"]] = StoredWallet(**row)

    def now(self) -> datetime:
        """The fake's clock: the real one, ahead by what it was advanced."""
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock ahead."""
        with self.lock:
            self._ahead += timedelta(seconds=seconds)

    def check(self, authorization: str, app_id: str) -> None:
        """Let only the application in.

        Raises:
            Refused: 401.
        """
        if (authorization, app_id) != self._admitted:
            raise Refused(HTTPStatus.UNAUTHORIZED, "Invalid app ID or app secret", code="")

    def once(self, key: str | None, request: Mapping[str, Any], effect: Callable[[], Json]) -> Json:
        """Have an effect once per key and window; repeats are answered alike, refusals too.

        Args:
            key: The idempotency key; without one the effect is always had.
            request: Path and body, which must not differ under one key.
            effect: What the request does.
        """
        if key is None:
            return effect()
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
        with self.lock:
            known = self._answered.get(key)
            if known is None or self.now() - known.at >= IDEMPOTENCY_WINDOW:
                known = self._answered[key] = _Answered(digest, _tried(effect), self.now())
            if known.digest != digest:
                raise invalid("this idempotency key was used for another request")
            if isinstance(known.answer, Refused):
                raise known.answer
            return known.answer

    def create(self, body: Mapping[str, Any]) -> StoredWallet:
        """Make a wallet.

        Raises:
            Refused: The chain type is not ours, or the external id malformed or taken.
        """
        external_id = body.get("external_id")
        if body.get("chain_type") != CHAIN_TYPE:
            raise invalid(f"chain_type must be {CHAIN_TYPE}")
        if external_id is not None and not EXTERNAL_ID.fullmatch(str(external_id)):
            raise invalid("external_id must be 1 to 64 of a-z A-Z 0-9 _ -")
        return self.add(secrets.token_hex(32), external_id)

    def add(self, key: str, external_id: str | None = None) -> StoredWallet:
        """Keep a key, under an external id of its own.

        Raises:
            Refused: The external id is taken.
        """
        with self.lock:
            if external_id is not None and self.named(external_id):
                raise invalid("a wallet with this external_id exists")
            wallet = StoredWallet(
                id=secrets.token_hex(12),
                external_id=external_id,
                created_at=int(self.now().timestamp() * 1000),
                key="0x" + key.removeprefix("0x"),
            )
            self._wallets[wallet.id] = wallet
            self._save()
            return wallet

    def wallet(self, identifier: str) -> StoredWallet:
        """Look a wallet up by its id, or by its prefixed external id.

        Raises:
            Refused: 404.
        """
        with self.lock:
            found = self._wallets.get(identifier)
            if found is None and identifier.startswith(EXTERNAL_PREFIX):
                named = self.named(identifier.removeprefix(EXTERNAL_PREFIX))
                found = named[0] if named else None
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, "Wallet not found", code="not_found")
        return found

    def named(self, external_id: str | None) -> list[StoredWallet]:
        """Wallets of an external id; all for None."""
        with self.lock:
            kept = list(self._wallets.values())
        return [one for one in kept if external_id in {None, one.external_id}]

    def _save(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps([asdict(one) for one in self._wallets.values()]))
        fresh.replace(self._file)


def _tried(effect: Callable[[], Json]) -> Json | Refused:
    try:
        return effect()
    except Refused as refusal:
        return refusal
