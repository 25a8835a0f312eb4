"""Wallets for creators who bring none, made at the wallet service before their campaigns are.

A service that is away is asked once in a while for all of them: payments are not kept waiting.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from indexer.errors import LastroError
from settlement.lane import Lane
from settlement.lifecycle import RETRY_AFTER, TREASURY
from settlement.signer import SignerUnavailable
from settlement.tables import AnyRow, campaigns
from settlement.wallets import WalletProvider, ensure_wallet

log = structlog.get_logger()

PROVISIONED_MAX = 10
"""Wallets of one turn."""
NO_SERVICE = "its creator has no wallet, and no service keeps any: set LASTRO_REMOTE_SIGNER_URL"


def provision_creators(lane: Lane) -> int:
    """Make the wallets that campaigns wait for; returns how many were made."""
    with lane.engine.connect() as connection:
        waiting = _waiting(connection, lane)
    provider = None if lane.book is None else lane.book.wallets
    if waiting and provider is None:
        _block(lane, NO_SERVICE)
    made = 0
    for row in waiting if provider is not None else ():
        try:
            made += _provision(lane, provider, row)
        except SignerUnavailable as trouble:
            _block(lane, f"the wallet service does not answer: {trouble}")
            break
        except (LastroError, IntegrityError) as refusal:
            _block(lane, f"its creator's wallet was not made: {refusal}", only=row)
    return made


def _provision(lane: Lane, provider: WalletProvider | None, row: AnyRow) -> bool:
    if provider is None:
        return False
    wallet = ensure_wallet(lane.engine, provider, owner_kind="creator", owner_id=row.creator_id)
    with lane.engine.begin() as connection:
        return bool(
            connection.execute(
                update(campaigns)
                .where(campaigns.c.request_id == row.request_id, campaigns.c.creator.is_(None))
                .values(
                    creator=wallet.address, state="requested", reason=None, state_since=func.now()
                )
            ).rowcount
        )


def _waiting(connection: Connection, lane: Lane) -> Sequence[AnyRow]:
    return connection.execute(
        select(campaigns.c.request_id, campaigns.c.creator_id)
        .where(
            campaigns.c.chain_id == lane.chain_id,
            campaigns.c.creator.is_(None),
            or_(
                campaigns.c.state == "requested",
                campaigns.c.state_since < func.now() - RETRY_AFTER,
            ),
        )
        .order_by(campaigns.c.requested_at)
        .limit(PROVISIONED_MAX)
    ).all()


def _block(lane: Lane, reason: str, *, only: AnyRow | None = None) -> None:
    """Let campaigns without creator's wallet wait a while: all of them, or one."""
    which = [] if only is None else [campaigns.c.request_id == only.request_id]
    with lane.engine.begin() as connection:
        blocked = connection.execute(
            update(campaigns)
            .where(
                campaigns.c.chain_id == lane.chain_id,
                campaigns.c.creator.is_(None),
                campaigns.c.state.in_(("requested", "blocked")),
                *which,
            )
            .values(state="blocked", reason=TREASURY + reason, state_since=func.now())
        ).rowcount
    log.warning("campaigns_without_wallet", count=blocked, why=reason)
