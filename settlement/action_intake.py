"""The second door from off-chain: what is asked of a treasury or a wallet beside settling payments.

Every function runs in the caller's transaction. The caller names the action, so that a repeated
call is one action; ``False`` says that it was known already, or that an open one of its kind stands
in its place. Off-chain's role may ask for refunds to the platform, withdrawals to the owner and
disbursements; whatever names a recipient or an amount is settlement's own, or an operator's.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import Address, ChainId, TokenAmount, Wei, to_checksum
from settlement.record_tables import actions, wallets
from settlement.tables import campaigns, requests
from settlement.types import ActionKind


def request_refund(
    connection: Connection,
    *,
    action_id: UUID,
    request_id: UUID,
    recipient: Address | None,
    requested_by: str,
) -> bool:
    """Ask for a payment to be undone on-chain, wherever it stands; once, for ever.

    What is not settled yet never will be. The caller pays the backer back; the tokens come home.

    Args:
        connection: The caller's transaction; the action exists when that commits.
        action_id: The caller's name of the refund.
        request_id: The payment, by the name it was handed over under.
        recipient: Who gets the tokens of a confirmed payment; None for the platform's wallet.
        requested_by: Who wants it, and why; no personal data.

    Raises:
        LookupError: No such payment was ever handed over.
    """
    home = connection.execute(
        select(requests.c.chain_id, requests.c.treasury)
        .where(requests.c.root_id == request_id)
        .limit(1)
    ).one_or_none()
    if home is None:
        raise LookupError(f"no payment {request_id} was handed over")
    return _ask(
        connection,
        action_id,
        kind="refund",
        chain_id=home.chain_id,
        treasury=home.treasury,
        request_id=request_id,
        recipient=recipient,
        requested_by=requested_by,
    )


def request_withdrawal(
    connection: Connection,
    *,
    action_id: UUID,
    chain_id: ChainId,
    treasury: Address,
    payout_to: Address | None,
    requested_by: str,
) -> bool:
    """Ask for what a treasury has available to be sent to its campaign's owner.

    The owner's own wallet sends it where settlement keeps one, else the platform's.

    Args:
        connection: The caller's transaction; the action exists when that commits.
        action_id: The caller's name of the withdrawal.
        chain_id: Chain of the treasury.
        treasury: The treasury.
        payout_to: Where the owner's wallet passes the tokens on to, once they are finally there;
            only where settlement keeps that wallet. None leaves them.
        requested_by: Who wants it, and why; no personal data.
    """
    return _ask(
        connection,
        action_id,
        kind="withdraw",
        chain_id=chain_id,
        treasury=treasury,
        sender=_kept_wallet(connection, chain_id, treasury),
        recipient=payout_to,
        requested_by=requested_by,
    )


def request_disbursement(
    connection: Connection,
    *,
    action_id: UUID,
    chain_id: ChainId,
    treasury: Address,
    requested_by: str,
) -> bool:
    """Ask for the fees that a treasury set aside to be paid out; arguments as a withdrawal's."""
    return _ask(
        connection,
        action_id,
        kind="disburse_fees",
        chain_id=chain_id,
        treasury=treasury,
        requested_by=requested_by,
    )


def request_transfer(  # noqa: PLR0913 - all that a transfer is, keyword-only
    connection: Connection,
    *,
    action_id: UUID,
    chain_id: ChainId,
    treasury: Address,
    sender: Address | None,
    recipient: Address,
    amount: TokenAmount,
    requested_by: str,
) -> bool:
    """Ask a wallet to transfer tokens.

    Raises:
        LookupError: No live campaign has this treasury.

    Args:
        connection: The caller's transaction; the action exists when that commits.
        action_id: The caller's name of the transfer.
        chain_id: Chain of the token.
        treasury: Names the campaign, and with it the token.
        sender: A wallet that settlement keeps; None for the platform's.
        recipient: Who gets them.
        amount: Token base units, above zero.
        requested_by: Who wants it, and why; no personal data.
    """
    known = connection.execute(
        select(campaigns.c.token).where(
            campaigns.c.chain_id == chain_id, campaigns.c.treasury == treasury
        )
    ).scalar_one_or_none()
    if known is None:
        raise LookupError(f"no live campaign has treasury {to_checksum(treasury)}")
    return _ask(
        connection,
        action_id,
        kind="transfer_tokens",
        chain_id=chain_id,
        treasury=treasury,
        sender=sender,
        recipient=recipient,
        amount=amount,
        requested_by=requested_by,
    )


def request_gas(
    connection: Connection,
    *,
    action_id: UUID,
    chain_id: ChainId,
    recipient: Address,
    amount: Wei,
    requested_by: str,
) -> bool:
    """Ask the platform's wallet to give a wallet that settlement keeps coins for gas."""
    return _ask(
        connection,
        action_id,
        kind="top_up_gas",
        chain_id=chain_id,
        recipient=recipient,
        amount=amount,
        requested_by=requested_by,
    )


def _kept_wallet(connection: Connection, chain_id: ChainId, treasury: Address) -> Address | None:
    """The wallet of a campaign's creator, if settlement keeps it."""
    found = connection.execute(
        select(wallets.c.address)
        .join(campaigns, campaigns.c.creator == wallets.c.address)
        .where(campaigns.c.chain_id == chain_id, campaigns.c.treasury == treasury)
    ).scalar_one_or_none()
    return None if found is None else Address(found)


def _ask(connection: Connection, action_id: UUID, *, kind: ActionKind, **values: Any) -> bool:  # noqa: ANN401 - columns
    given = {name: value for name, value in values.items() if value is not None}
    inserted = connection.execute(
        insert(actions)
        .values(action_id=action_id, kind=kind, **given)
        .on_conflict_do_nothing()
        .returning(actions.c.action_id)
    )
    return inserted.one_or_none() is not None
