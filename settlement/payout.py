"""What follows from an action: a withdrawal is passed on, a wallet without coins gets some.

Both are actions of their own, named after the one they follow from: asked for twice, they are one.
"""

from uuid import uuid5

import structlog
from sqlalchemy import Connection, func, select

from indexer.chain.types import TokenAmount, Wei
from indexer.views import withdrawals
from settlement.action_intake import request_gas, request_transfer
from settlement.action_views import Action
from settlement.lane import Lane
from settlement.record_tables import actions, wallets

log = structlog.get_logger()


def pass_on(connection: Connection, action: Action) -> bool:
    """Have the owner's wallet transfer what a final withdrawal brought to where it was asked to go.

    Args:
        connection: The transaction in which the action is done.
        action: Any; nothing follows from most.

    Returns:
        False while the index does not show what the withdrawal brought: it is not done yet.
    """
    if action.kind != "withdraw" or action.recipient is None or action.own_tx is None:
        return True
    row = connection.execute(
        select(withdrawals.c.recipient, withdrawals.c.chain_id, func.sum(withdrawals.c.amount))
        .where(withdrawals.c.tx_hash == action.own_tx, withdrawals.c.treasury == action.treasury)
        .group_by(withdrawals.c.recipient, withdrawals.c.chain_id)
    ).one_or_none()
    if row is None:
        return False
    owner, chain_id, amount = row
    kept = connection.execute(
        select(wallets.c.address).where(wallets.c.address == owner)
    ).one_or_none()
    if kept is None:
        log.warning("payout_left_to_owner", action_id=str(action.action_id))
        return True
    request_transfer(
        connection,
        action_id=uuid5(action.action_id, "transfer"),
        chain_id=chain_id,
        treasury=action.home,
        sender=owner,
        recipient=action.recipient,
        amount=TokenAmount(int(amount)),
        requested_by=f"withdrawal {action.action_id}",
    )
    return True


def top_up(connection: Connection, lane: Lane, action: Action, amount: Wei) -> None:
    """Ask the platform for coins that an action's wallet lacks, unless some are on their way."""
    states = connection.execute(
        select(actions.c.state).where(
            actions.c.chain_id == lane.chain_id,
            actions.c.kind == "top_up_gas",
            actions.c.recipient == lane.sender,
        )
    ).scalars()
    earlier = list(states)
    if any(state not in ("done", "void") for state in earlier):
        return
    request_gas(
        connection,
        action_id=uuid5(action.action_id, f"gas {len(earlier)}"),
        chain_id=lane.chain_id,
        recipient=lane.sender,
        amount=amount,
        requested_by=f"action {action.action_id}",
    )
