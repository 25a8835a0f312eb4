"""The three places a key may be kept, each with what may go wrong there."""

from dataclasses import dataclass, replace
from typing import Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from typing_extensions import override

from indexer.chain.types import Address, ChainId, Wei
from settlement.fees import Fees
from settlement.signer import Signer
from settlement.signer_settings import KmsKey
from settlement.signers.keystore import KeystoreSigner
from settlement.signers.kms import KmsSigner
from settlement.signers.remote import RemoteSigner
from settlement.transactions import UnsignedTransaction
from settlement.types import Nonce
from stack.ports import free_port
from tests.settlement.builders import TREASURY
from tests.support.kms import REGION, FakeKms
from tests.support.remote_signer import FakeRemote

SECRET = keccak(b"the key that is kept")
KEPT: LocalAccount = Account.from_key(SECRET)
KEPT_ADDRESS = Address(bytes.fromhex(KEPT.address[2:]))
OTHER_SECRET = keccak(b"another key")

TRANSACTION = UnsignedTransaction(
    chain_id=ChainId(42220),
    nonce=Nonce(7),
    to=TREASURY,
    calldata=b"\x00\x01\xff",
    gas_limit=21_000,
    fees=Fees(Wei(25 * 10**9), Wei(10**9)),
)
TRANSACTIONS = {
    "call": TRANSACTION,
    "first": replace(TRANSACTION, nonce=Nonce(0), fees=Fees(Wei(1), Wei(0))),
    "noop": replace(TRANSACTION, to=KEPT_ADDRESS, calldata=b""),
    "top_up": replace(TRANSACTION, calldata=b"", value_wei=Wei(10**18)),
    "large": replace(TRANSACTION, calldata=bytes(range(256)) * 400, gas_limit=30_000_000),
    "dear": replace(TRANSACTION, fees=Fees(Wei(2**64), Wei(2**60)), nonce=Nonce(2**40)),
}


class Custody(Protocol):
    """A signer of ``KEPT`` and how to break what it says."""

    @property
    def signer(self) -> Signer: ...

    def use_another_key(self) -> None:
        """Sign with a key that is not ``KEPT`` from now on."""

    def change_what_is_signed(self) -> None:
        """Sign something else than is asked for from now on."""


class ServiceCustody(Custody, Protocol):
    """A signer that asks a service."""

    def throttle(self, times: int) -> None:
        """Refuse so many calls for now."""

    def elsewhere(self) -> Signer:
        """The same signer, where nobody answers."""

    def unwelcome(self) -> Signer:
        """The same signer of somebody whom the service does not know."""

    def open_unknown(self) -> None:
        """Open a key that is not there."""


class LyingKeystore(KeystoreSigner):
    """A keystore whose key, or whose transaction, was exchanged."""

    def __init__(self, account: LocalAccount) -> None:
        super().__init__(account)
        self.key = KeystoreSigner(account)
        self.nonces_ahead = 0

    @override
    def sign(self, transaction: UnsignedTransaction) -> bytes:
        nonce = Nonce(transaction.nonce + self.nonces_ahead)
        return KeystoreSigner.sign(self.key, replace(transaction, nonce=nonce))


@dataclass
class KeystoreCustody:
    signer: LyingKeystore

    def use_another_key(self) -> None:
        self.signer.key = KeystoreSigner(Account.from_key(OTHER_SECRET))

    def change_what_is_signed(self) -> None:
        self.signer.nonces_ahead = 1


@dataclass
class KmsCustody:
    kms: FakeKms
    key: KmsKey
    signer: KmsSigner

    @classmethod
    def new(cls, kms: FakeKms) -> "KmsCustody":
        key = kms.new_key(SECRET)
        return cls(kms, key, KmsSigner.open(key, tries=2))

    def use_another_key(self) -> None:
        self.kms.gate.sign_instead = (self.kms.new_key(OTHER_SECRET).key_id, b"")

    def change_what_is_signed(self) -> None:
        self.kms.gate.sign_instead = ("", keccak(b"something else"))

    def throttle(self, times: int) -> None:
        self.kms.gate.throttled = times

    def elsewhere(self) -> Signer:
        nowhere = f"http://127.0.0.1:{free_port()}"
        return KmsSigner.open(KmsKey(self.key.key_id, REGION, nowhere), tries=1)

    def unwelcome(self) -> Signer:
        self.kms.gate.refused_as = "AccessDeniedException"
        return self.signer

    def open_unknown(self) -> None:
        KmsSigner.open(replace(self.key, key_id="alias/nobody"))


@dataclass
class RemoteCustody:
    remote: FakeRemote
    wallet_id: str
    signer: RemoteSigner

    @classmethod
    def new(cls, remote: FakeRemote) -> "RemoteCustody":
        wallet_id = remote.vault.add(SECRET.hex()).id
        return cls(remote, wallet_id, RemoteSigner.open(remote.service(), wallet_id))

    def use_another_key(self) -> None:
        self.remote.fault("wrong_key", times=-1)

    def change_what_is_signed(self) -> None:
        self.remote.fault("changed_field", times=-1)

    def throttle(self, times: int) -> None:
        self.remote.fault("status", status=429, times=times)

    def elsewhere(self) -> Signer:
        self.remote.fault("reset_before", times=-1)
        return self.signer

    def unwelcome(self) -> Signer:
        return RemoteSigner.open(self.remote.service(app_secret="guessed"), self.wallet_id)

    def open_unknown(self) -> None:
        RemoteSigner.open(self.remote.service(), "nobody")
