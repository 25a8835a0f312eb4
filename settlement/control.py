"""Ways in and out for operators: what must not go on stops, what stopped goes on.

Whole scopes are stopped by ``settlement.switches``; here it is one signer, payment or action.
"""

from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Connection, Table, func, or_, select, update

from indexer.chain.types import Address, ChainId
from settlement.lifecycle import STRIKES_ALONE
from settlement.queries import NEVER_LIVE
from settlement.record_tables import actions
from settlement.tables import requests, signers
from settlement.types import ActionState, Nonce, RequestState

log = structlog.get_logger()

_STOPPED = ("blocked", "quarantined")


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
    before = connection.execute(
        select(signers.c.next_nonce)
        .where(signers.c.chain_id == chain_id, signers.c.address == address)
        .with_for_update()
    ).scalar_one_or_none()
    if before is None:
        return False
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
    if released.next_nonce > before:
        _stop_payouts(connection, chain_id, address)
    log.warning(
        "signer_released",
        chain_id=chain_id,
        signer=address.hex(),
        next_nonce=released.next_nonce,
        reason=reason,
    )
    return True


def _stop_payouts(connection: Connection, chain_id: ChainId, address: Address) -> None:
    """Stop transfers that wait: one of them may be what took a nonce we know nothing of."""
    connection.execute(
        update(actions)
        .where(
            actions.c.chain_id == chain_id,
            actions.c.kind.in_(("transfer_tokens", "top_up_gas")),
            actions.c.state.in_(("requested", "blocked")),
            or_(actions.c.sender.is_(None), actions.c.sender == address),
        )
        .values(
            state="quarantined",
            reason="its signer sent what is not known here: look whether it was this transfer",
            state_since=func.now(),
        )
    )


def quarantine_request(connection: Connection, request_id: UUID, reason: str) -> str | None:
    """Take a payment that is under way in no transaction out of settlement.

    Args:
        connection: The caller's transaction, as role settlement.
        request_id: The payment, by its caller's name or that of one generation.
        reason: What a person must look at; kept with the request.

    Returns:
        None when it is quarantined; else why not.
    """
    row = connection.execute(
        select(requests.c.request_id, requests.c.state)
        .where(
            or_(requests.c.root_id == request_id, requests.c.request_id == request_id),
            requests.c.state.not_in(NEVER_LIVE),
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        return f"settlement knows no live payment {request_id}"
    if row.state not in ("ready", "blocked"):
        return _not_quarantined(row.state)
    connection.execute(
        update(requests)
        .where(requests.c.request_id == row.request_id)
        .values(state="quarantined", reason=f"by an operator: {reason}", state_since=func.now())
    )
    log.warning("request_quarantined", request_id=str(row.request_id), reason=reason)
    return None


def retry_request(connection: Connection, name: UUID, reason: str) -> bool:
    """Try a blocked or quarantined request, or action, again; a payment alone if it failed before.

    It stays as safe as ever: what the index shows of it decides first, and nothing is in two
    transactions that could both take effect.

    Args:
        connection: The caller's transaction, as role settlement.
        name: The request, by its caller's name or that of one generation; or the action.
        reason: Why another try can succeed; kept with it until it is sealed.

    Returns:
        False if neither has stopped.
    """
    request = or_(requests.c.root_id == name, requests.c.request_id == name)
    action = actions.c.action_id == name
    return _retry(connection, requests, which=request, state="ready", reason=reason) or _retry(
        connection, actions, which=action, state="requested", reason=reason
    )


def _retry(
    connection: Connection,
    table: Table,
    *,
    which: ColumnElement[bool],
    state: RequestState | ActionState,
    reason: str,
) -> bool:
    retried = connection.execute(
        update(table)
        .where(which, table.c.state.in_(_STOPPED))
        .values(
            state=state,
            reason=f"retried: {reason}",
            strikes=func.least(table.c.strikes, STRIKES_ALONE),
            state_since=func.now(),
        )
        .returning(*table.primary_key.columns)
    ).one_or_none()
    if retried is None:
        return False
    log.warning("retried", table=table.name, id=str(retried[0]), reason=reason)
    return True


def _not_quarantined(state: str) -> str:
    """Why a payment in this state is not taken out."""
    match state:
        case "batched":
            return (
                "its transaction is sealed and is sent until it is mined: wait for that; a payment "
                "that is confirmed is undone by a refund"
            )
        case "included" | "settled":
            return "it is confirmed on-chain: only a refund undoes it"
        case _:
            return f"it is {state} already"
