"""Reads from settlement's tables what an account may sign; ``settlement.policy`` decides by it."""

from sqlalchemy import ColumnElement, Connection, or_, select, true

from indexer.chain.deployments import Deployment
from indexer.chain.types import Address, Wei
from settlement.policy import Known, Permissions, holder_permissions, platform_permissions
from settlement.record_tables import actions, wallets
from settlement.tables import campaigns


def read_permissions(
    connection: Connection, deployment: Deployment, *, account: Address, max_fee_per_gas_wei: Wei
) -> Permissions:
    """Read what an account may sign on a deployment's chain now.

    An account in ``settlement.wallets`` is a person's and may do little; any other is taken for the
    platform's. Nothing that is void is permitted any more.

    Args:
        connection: With a role that reads schema ``settlement``.
        deployment: Where the protocol stands; it names the chain.
        account: Whose key is to be asked.
        max_fee_per_gas_wei: The operator's cap.
    """
    people = _addresses(connection, wallets.c.address, true())
    if account in people:
        known = Known(
            treasuries=_treasuries(connection, deployment, campaigns.c.creator == account),
            token_recipients=_recipients(
                connection, deployment, ("transfer_tokens",), actions.c.sender == account
            ),
        )
        return holder_permissions(
            deployment, known, account=account, max_fee_per_gas_wei=max_fee_per_gas_wei
        )
    own = or_(actions.c.sender.is_(None), actions.c.sender == account)
    known = Known(
        treasuries=_treasuries(connection, deployment, true()),
        wallets=people,
        token_recipients=_recipients(connection, deployment, ("transfer_tokens", "refund"), own),
        coin_recipients=_recipients(connection, deployment, ("top_up_gas",), own),
    )
    return platform_permissions(
        deployment, known, account=account, max_fee_per_gas_wei=max_fee_per_gas_wei
    )


def _treasuries(
    connection: Connection, deployment: Deployment, which: ColumnElement[bool]
) -> frozenset[Address]:
    condition = (campaigns.c.chain_id == deployment.chain_id) & which
    return _addresses(connection, campaigns.c.treasury, condition)


def _recipients(
    connection: Connection,
    deployment: Deployment,
    kinds: tuple[str, ...],
    which: ColumnElement[bool],
) -> frozenset[Address]:
    condition = (
        (actions.c.chain_id == deployment.chain_id)
        & actions.c.kind.in_(kinds)
        & (actions.c.state != "void")
        & which
    )
    return _addresses(connection, actions.c.recipient, condition)


def _addresses(
    connection: Connection, column: ColumnElement[bytes | None], condition: ColumnElement[bool]
) -> frozenset[Address]:
    found = connection.execute(
        select(column).where(condition, column.is_not(None)).distinct()
    ).scalars()
    return frozenset(Address(address) for address in found if address is not None)
