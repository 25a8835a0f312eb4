"""Who signs what: the platform's key, or the wallet of the person whom a transaction concerns.

A process works one chain, so the chain's choice is its environment; the campaign's choice is its
creator's wallet where the wallet service keeps one. Wherever no wallet is kept, the platform signs.
"""

from typing import assert_never

from sqlalchemy import Connection, select

from indexer.chain.types import Address, ChainId
from indexer.errors import LastroError
from settlement.record_tables import wallets
from settlement.signer import Signer
from settlement.signer_settings import (
    KeystoreFiles,
    KmsKey,
    RemoteWallet,
    SignerChoice,
    SignerSettings,
)
from settlement.signers.keystore import KeystoreSigner
from settlement.signers.kms import KmsSigner
from settlement.signers.remote import RemoteSigner, RemoteWallets
from settlement.signers.remote_service import RemoteService
from settlement.tables import campaigns
from settlement.wallets import Wallet, WalletProvider


class SignerBook:
    """The signers of one process."""

    def __init__(self, platform: Signer, service: RemoteService | None = None) -> None:
        """Take the platform's signer and, if there is one, the service that keeps wallets."""
        self._platform = platform
        self._service = service

    @classmethod
    def open(cls, settings: SignerSettings) -> "SignerBook":
        """Open the platform's signer, as the settings choose.

        Raises:
            SignerUnavailable: The key's service does not answer; try again later.
            ConfigurationError: The key cannot be had with these settings.
        """
        account = settings.remote_account
        service = None if account is None else RemoteService.open(account)
        try:
            return cls(_open_platform(settings.signer_choice, service), service)
        except LastroError:
            if service is not None:
                service.close()
            raise

    def close(self) -> None:
        """Close the connections to the wallet service."""
        if self._service is not None:
            self._service.close()

    @property
    def platform(self) -> Signer:
        """The signer of the platform on this process's chain."""
        return self._platform

    @property
    def wallets(self) -> WalletProvider | None:
        """Where people's wallets are made; None without a wallet service."""
        return None if self._service is None else RemoteWallets(self._service)

    def for_account(self, connection: Connection, account: Address) -> Signer | None:
        """The signer of an account; None where its key is not ours to ask for.

        Args:
            connection: With a role that reads schema ``settlement``.
            account: The platform's, or a person's.
        """
        if account == self._platform.address:
            return self._platform
        if self._service is None:
            return None
        wallet_id = connection.execute(
            select(wallets.c.wallet_id).where(wallets.c.address == account)
        ).scalar_one_or_none()
        return (
            None if wallet_id is None else RemoteSigner(self._service, Wallet(wallet_id, account))
        )


def signer_of_campaign(
    connection: Connection, book: SignerBook, *, chain_id: ChainId, treasury: Address
) -> Signer:
    """Who acts for a campaign: its creator's wallet where one is kept, else the platform.

    Args:
        connection: With a role that reads schema ``settlement``.
        book: The signers of the process of this chain.
        chain_id: The campaign's chain.
        treasury: The campaign's treasury; of one that settlement did not create, the platform acts.
    """
    creator = connection.execute(
        select(campaigns.c.creator).where(
            campaigns.c.chain_id == chain_id, campaigns.c.treasury == treasury
        )
    ).scalar_one_or_none()
    own = None if creator is None else book.for_account(connection, Address(creator))
    return book.platform if own is None else own


def _open_platform(choice: SignerChoice, service: RemoteService | None) -> Signer:
    match choice:
        case KeystoreFiles():
            return KeystoreSigner.open(choice.keystore, choice.password_file)
        case KmsKey():
            return KmsSigner.open(choice)
        case RemoteWallet():
            return RemoteSigner.open(
                service or RemoteService.open(choice.account), choice.wallet_id
            )
        case _:
            assert_never(choice)
