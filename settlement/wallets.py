"""A person's wallet at the wallet service: made exactly once, when it is first needed.

Three things keep a second one from being made, each enough alone. A row in ``settlement.wallets``,
committed before the service is asked, is worked by one process at a time. The service is asked for
a wallet of this name before it is asked to make one, whatever was lost since. And the service makes
no two wallets of one name: see ``settlement.signers.remote``.
"""

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import Address, to_checksum
from indexer.db.locks import transaction_lock
from settlement.record_tables import wallets

log = structlog.get_logger()

OwnerKind = Literal["backer", "creator"]


@dataclass(frozen=True, slots=True)
class Wallet:
    """An account that the wallet service keeps."""

    wallet_id: str
    """The service's name of it."""
    address: Address


class WalletProvider(Protocol):
    """Makes wallets under names that we choose."""

    def find(self, external_id: str) -> Wallet | None:
        """The wallet of this name, however long ago it was made; None if there is none.

        Raises:
            SignerUnavailable: The service does not answer.
        """
        ...

    def create(self, external_id: str) -> Wallet:
        """Make the wallet of this name, or return it if it was made meanwhile.

        Raises:
            SignerUnavailable: The service does not answer; it may have made the wallet.
            SignerRefused: The service will not make it.
        """
        ...


def ensure_wallet(
    engine: Engine, provider: WalletProvider, *, owner_kind: OwnerKind, owner_id: UUID
) -> Wallet:
    """A person's wallet, made if it is not there; exactly once, whoever else asks and what crashes.

    Args:
        engine: With the role of settlement; the transactions are its own.
        provider: The wallet service.
        owner_kind: Whether the person backs or creates.
        owner_id: The person; an id that means nothing outside this database.

    Raises:
        SignerUnavailable: The service does not answer; ask again later.
        SignerRefused: The service will not make the wallet.
        sqlalchemy.exc.OperationalError: Postgres is away, or another process has been at this
            wallet for longer than a lock is waited for; ask again later.
    """
    whose = (wallets.c.owner_kind == owner_kind) & (wallets.c.owner_id == owner_id)
    with engine.begin() as connection:
        known = _stored(connection, whose)
        if known is not None:
            return known
        connection.execute(
            insert(wallets)
            .values(owner_kind=owner_kind, owner_id=owner_id)
            .on_conflict_do_nothing(index_elements=["owner_kind", "owner_id"])
        )
    name = external_id(owner_kind, owner_id)
    with engine.begin() as connection:
        transaction_lock(connection, f"wallet:{name}")
        known = _stored(connection, whose)
        if known is not None:
            return known
        made = provider.find(name) or provider.create(name)
        connection.execute(
            update(wallets)
            .where(whose)
            .values(wallet_id=made.wallet_id, address=made.address, provisioned_at=func.now())
        )
    log.info("wallet_provisioned", owner_kind=owner_kind, address=to_checksum(made.address))
    return made


def external_id(owner_kind: OwnerKind, owner_id: UUID) -> str:
    """Our name of a person's wallet: at most 64 of ``a-z A-Z 0-9 _ -``."""
    return f"{owner_kind}-{owner_id}"


def _stored(connection: Connection, whose: ColumnElement[bool]) -> Wallet | None:
    row = connection.execute(
        select(wallets.c.wallet_id, wallets.c.address).where(
            whose, wallets.c.wallet_id.is_not(None), wallets.c.address.is_not(None)
        )
    ).one_or_none()
    return None if row is None else Wallet(row.wallet_id, Address(row.address))
