"""Ways out for operators: what stopped goes on, once a person has looked."""

from uuid import UUID

import structlog
from sqlalchemy import Connection, func, update

from indexer.chain.types import Address, ChainId
from settlement.lifecycle import STRIKES_ALONE
from settlement.tables import requests, signers
from settlement.types import Nonce

log = structlog.get_logger()


def release_signer(
    connection: Connection,
    chain_id: ChainId,
    address: Address,
    reason: str,
    *,
    chain_nonce: Nonce,
) -> bool:
    """Let a quarantined signer seal again, above every nonce that the chain has seen of it.

    Args:
        connection: The caller's transaction, as role settlement.
        chain_id: The signer's chain.
        address: The signer.
        reason: What the operator found; kept with the signer.
        chain_nonce: The account's transaction count, pool included, read from a node just now. What
            lies between our next nonce and it was spent by others.

    Returns:
        False if no such signer is quarantined.
    """
    released = connection.execute(
        update(signers)
        .where(
            signers.c.chain_id == chain_id,
            signers.c.address == address,
            signers.c.mode == "quarantine",
        )
        .values(
            mode="active",
            mode_reason=f"released: {reason}",
            next_nonce=func.greatest(signers.c.next_nonce, chain_nonce),
        )
        .returning(signers.c.next_nonce)
    ).one_or_none()
    if released is None:
        return False
    log.warning(
        "signer_released",
        chain_id=chain_id,
        signer=address.hex(),
        next_nonce=released.next_nonce,
        reason=reason,
    )
    return True


def retry_request(connection: Connection, request_id: UUID, reason: str) -> bool:
    """Try a blocked or quarantined request again, alone if it failed before.

    It stays as safe as ever: what the index shows of it decides first, and no payment is in two
    transactions that could both take effect.

    Args:
        connection: The caller's transaction, as role settlement.
        request_id: The request.
        reason: Why another try can succeed; kept with the request until it is sealed.

    Returns:
        False if no such request has stopped.
    """
    retried = connection.execute(
        update(requests)
        .where(
            requests.c.request_id == request_id,
            requests.c.state.in_(("blocked", "quarantined")),
        )
        .values(
            state="ready",
            reason=f"retried: {reason}",
            strikes=func.least(requests.c.strikes, STRIKES_ALONE),
            state_since=func.now(),
        )
    ).rowcount
    if retried:
        log.warning("request_retried", request_id=str(request_id), reason=reason)
    return bool(retried)
