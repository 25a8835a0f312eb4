"""A wallet service that signs for us over HTTP: the platform's wallet, creators' and backers'.

Only its signing call is used. Calls that also send would choose nonce and fees themselves, and put
a transaction into the world that was not committed first.

Sources: Privy's REST reference, ``POST /v1/wallets/{id}/rpc`` with ``eth_signTransaction``
(quantities in hex, at most 150,000 bytes of data, answered as RLP), ``GET`` and ``POST
/v1/wallets``, and its page on external ids: ours to choose, unique for ever within an application.
Wallets are made without an owner: the application's secret alone can use them.
"""

from urllib.parse import quote

from indexer.chain.types import Address, address_from_hex, bytes_from_hex, to_checksum, to_hex
from indexer.errors import ConfigurationError, InvariantError
from settlement.signer import SignerRefused, SignerUnavailable
from settlement.signers.remote_service import Json, RemoteService
from settlement.transactions import DYNAMIC_FEE_TYPE, UnsignedTransaction
from settlement.wallets import Wallet

CHAIN_TYPE = "ethereum"
"""Any EVM chain: one wallet has one address on all of them."""
_WALLETS = "/v1/wallets"
_METHOD = "eth_signTransaction"


class RemoteSigner:
    """Signs with one wallet of the service. Safe to share between threads."""

    def __init__(self, service: RemoteService, wallet: Wallet) -> None:
        self._service = service
        self._wallet = wallet

    @classmethod
    def open(cls, service: RemoteService, wallet_id: str) -> "RemoteSigner":
        """Ask the service for the wallet's address.

        Raises:
            SignerUnavailable: The service does not answer.
            ConfigurationError: The service does not know us or the wallet.
        """
        try:
            answer = service.get(_path(wallet_id))
        except SignerRefused as refusal:
            raise ConfigurationError(f"{refusal}: check LASTRO_REMOTE_SIGNER_WALLET_ID") from None
        return cls(service, _read_wallet(answer))

    @property
    def address(self) -> Address:
        """The account it signs for."""
        return self._wallet.address

    def sign(self, transaction: UnsignedTransaction) -> bytes:
        """Have the service sign.

        Raises:
            SignerUnavailable: The service is throttled, does not answer, or not in words we know.
            SignerRefused: The service's policy forbids this transaction, or it lost the wallet.
            ConfigurationError: The service does not know us.
        """
        body = {"method": _METHOD, "params": {"transaction": _fields(transaction)}}
        answer = self._service.post(f"{_path(self._wallet.wallet_id)}/rpc", body)
        signed = answer.get("data")
        if not isinstance(signed, dict) or signed.get("encoding") != "rlp":
            raise SignerUnavailable("the wallet service gave no signed transaction")
        try:
            return bytes_from_hex(str(signed.get("signed_transaction")))
        except ValueError:
            raise SignerUnavailable("the wallet service's transaction is not hex") from None


class RemoteWallets:
    """Makes wallets at the service: a ``settlement.wallets.WalletProvider``."""

    def __init__(self, service: RemoteService) -> None:
        self._service = service

    def find(self, external_id: str) -> Wallet | None:
        """The wallet of this name; None if there is none.

        Raises:
            SignerUnavailable: The service does not answer.
            InvariantError: The service has several of one name.
        """
        answer = self._service.get(_WALLETS, {"external_id": external_id})
        listed = answer.get("data")
        if not isinstance(listed, list):
            raise SignerUnavailable("the wallet service gave no list of wallets")
        # A service that ignored the filter would list everybody's: the name is checked here too.
        named = [one for one in listed if _is_named(one, external_id)]
        if len(named) > 1:
            raise InvariantError(f"the wallet service has {len(named)} wallets named {external_id}")
        return _read_wallet(named[0]) if named else None

    def create(self, external_id: str) -> Wallet:
        """Make the wallet of this name, or return it if it was made meanwhile.

        The idempotency key is the name: a repeat within the service's 24 hours is answered alike,
        and a later one is refused, as the name is taken.

        Raises:
            SignerUnavailable: The service does not answer; it may have made the wallet.
            SignerRefused: The service will not make it.
            InvariantError: The service made another wallet than we asked for.
        """
        body = {"chain_type": CHAIN_TYPE, "external_id": external_id}
        try:
            made = self._service.post(_WALLETS, body, key=external_id)
        except SignerRefused:
            found = self.find(external_id)
            if found is None:
                raise
            return found
        if not _is_named(made, external_id):
            raise InvariantError(f"asked for {external_id}, the wallet service made another wallet")
        return _read_wallet(made)


def _path(wallet_id: str) -> str:
    return f"{_WALLETS}/{quote(wallet_id, safe='')}"


def _fields(transaction: UnsignedTransaction) -> Json:
    return {
        "type": DYNAMIC_FEE_TYPE,
        "chain_id": hex(transaction.chain_id),
        "nonce": hex(transaction.nonce),
        "to": to_checksum(transaction.to),
        "value": hex(transaction.value_wei),
        "data": to_hex(transaction.calldata),
        "gas_limit": hex(transaction.gas_limit),
        "max_fee_per_gas": hex(transaction.fees.max_fee_per_gas_wei),
        "max_priority_fee_per_gas": hex(transaction.fees.max_priority_fee_per_gas_wei),
    }


def _is_named(wallet: object, external_id: str) -> bool:
    return isinstance(wallet, dict) and wallet.get("external_id") == external_id


def _read_wallet(answer: Json) -> Wallet:
    """Read a wallet.

    Raises:
        SignerUnavailable: It is not one, or not of an EVM chain.
    """
    wallet_id, address = answer.get("id"), answer.get("address")
    if answer.get("chain_type") != CHAIN_TYPE or not isinstance(wallet_id, str) or not wallet_id:
        raise SignerUnavailable("the wallet service gave no wallet of an EVM chain")
    try:
        return Wallet(wallet_id, address_from_hex(str(address)))
    except ValueError:
        raise SignerUnavailable("the wallet service gave a wallet without an address") from None
