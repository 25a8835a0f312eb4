"""Postgres advisory locks: die with their session, so a successor takes over at once."""

import hashlib

from sqlalchemy import Connection, text

from indexer.errors import InvariantError

_SIGNED_64_BIT = 8


def lock_key(name: str) -> int:
    """Map a lock's name onto Postgres' signed 64-bit key space."""
    digest = hashlib.sha256(name.encode()).digest()[:_SIGNED_64_BIT]
    return int.from_bytes(digest, "big", signed=True)


def try_session_lock(connection: Connection, name: str) -> bool:
    """Take a lock that lives as long as this session; False when another holds it."""
    return bool(
        connection.execute(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": lock_key(name)}
        ).scalar_one()
    )


def release_session_lock(connection: Connection, name: str) -> None:
    """Let go of a session's lock before the session ends."""
    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": lock_key(name)})


def transaction_lock(connection: Connection, name: str) -> None:
    """Wait for a lock that the surrounding transaction releases when it ends.

    Raises:
        InvariantError: There is no surrounding transaction.
    """
    if not connection.in_transaction():
        raise InvariantError(f"lock {name!r} needs a surrounding transaction")
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(name)})


def try_transaction_lock(connection: Connection, name: str) -> bool:
    """Take a lock until the surrounding transaction ends; False when another holds it.

    Raises:
        InvariantError: There is no surrounding transaction.
    """
    if not connection.in_transaction():
        raise InvariantError(f"lock {name!r} needs a surrounding transaction")
    return bool(
        connection.execute(
            text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": lock_key(name)}
        ).scalar_one()
    )
