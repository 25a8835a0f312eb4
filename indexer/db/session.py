"""Engines: one login, one role per process, UTC and bounded waits on every connection."""

from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from indexer.errors import ConfigurationError

STATEMENT_TIMEOUT_S = 30
LOCK_TIMEOUT_S = 10
IDLE_IN_TRANSACTION_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 2
_LIVENESS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A server that vanished without a word is given up within about ten seconds (libpq's names)."""


def database_url(text: str) -> URL:
    """Parse a ``postgresql://`` URL and choose the psycopg 3 driver.

    Raises:
        ConfigurationError: The URL is not one of Postgres.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # a port that is no number is the latter
        raise ConfigurationError("DATABASE_URL is not a URL: expected postgresql://…") from None
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            f"DATABASE_URL names {url.get_backend_name()}: Lastro needs PostgreSQL"
        )
    return url.set(drivername="postgresql+psycopg")


def open_engine(text: str, *, role: str | None, pool_size: int = 5) -> Engine:
    """Open an engine whose every connection acts as ``role``.

    Args:
        text: A ``postgresql://`` URL.
        role: Role to ``SET ROLE`` to; None keeps the login role (migrations only).
        pool_size: Connections kept open; as many again may overflow.

    Raises:
        ConfigurationError: The URL is not one of Postgres.
    """
    engine = create_engine(
        database_url(text), pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: psycopg.Connection, _record: object) -> None:
        with connection.cursor() as cursor:
            for setting in _session_settings(role):
                cursor.execute(setting)
        connection.commit()

    return engine


def open_connection(url: URL, *, role: str | None) -> psycopg.Connection:
    """Open one connection without an engine: in autocommit mode, and soon given up when lost.

    Args:
        url: An engine's URL.
        role: Role to ``SET ROLE`` to.

    Raises:
        OperationalError: Postgres does not answer, or refuses our login.
    """
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(address, autocommit=True, **_LIVENESS)
    try:
        connection.execute("; ".join(_session_settings(role)))
    except BaseException:
        connection.close()
        raise
    return connection


def _session_settings(role: str | None) -> list[str]:
    """What every connection begins with."""
    settings = [
        "SET TIME ZONE 'UTC'",
        f"SET statement_timeout = '{STATEMENT_TIMEOUT_S}s'",
        f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'",
        f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_TIMEOUT_S}s'",
    ]
    if role is not None:
        settings.append(f'SET ROLE "{role}"')
    return settings


def require_answer(engine: Engine) -> None:
    """Make sure that the database takes our login.

    Raises:
        ConfigurationError: It does not; says where it was looked for and what it said.
    """
    try:
        engine.connect().close()
    except OperationalError as error:
        raise ConfigurationError(
            f"no Postgres answers at {engine.url.host}:{engine.url.port}: start it ('lastro up' "
            f"runs an embedded one) or correct DATABASE_URL; it said: {error.orig}"
        ) from None
