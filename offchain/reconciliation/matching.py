"""Whose payment it is that a gateway shows."""

from sqlalchemy import Connection

from offchain.gateways.types import Observation
from offchain.payments.attempts import Attempt, attempt_by_provider_id, read_attempt


def match(connection: Connection, gateway: str, seen: Observation) -> Attempt | None:
    """Find our attempt of a payment: by our name as the gateway echoes it, else by its own id.

    Args:
        connection: Any transaction.
        gateway: Who showed the payment; another gateway's attempt is never its.
        seen: The payment as it was read: what a webhook says about it proves nothing.
    """
    if seen.attempt_id is not None:
        named = read_attempt(connection, seen.attempt_id)
        if named is not None and named.gateway == gateway:
            return named
    found = attempt_by_provider_id(connection, gateway, seen.provider_payment_id)
    return None if found is None else read_attempt(connection, found)
