"""What an endpoint is given: one read-only snapshot of the database, tokens and cursors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from sqlalchemy import Engine, event

from api.errors import bad_parameter, not_found
from api.freshness import Snapshot, read_chain_marks
from api.pagination import Cursor, CursorCodec, PageRequest, refuse_if_reorganised
from api.schemas.shared import PageQuery
from api.settings import ApiSettings
from api.tokens import TokenBook
from indexer.chain.networks import NETWORKS
from indexer.db.base import ROLES
from indexer.db.session import open_engine

POOL_SIZE = 20
"""With as much overflow: FastAPI's thread pool runs 40 requests at once."""


def open_read_engine(settings: ApiSettings) -> Engine:
    """Open the engine of the read role, every transaction of which is read-only.

    Raises:
        ConfigurationError: The URL is not one of Postgres.
    """
    engine = open_engine(settings.database_url_text, role=ROLES["api"], pool_size=POOL_SIZE)

    @event.listens_for(engine, "connect")
    def _refuse_writes(connection: psycopg.Connection, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        connection.commit()

    return engine


class Reader:
    """Everything an endpoint reads with.

    Attributes:
        engine: Engine of the read role.
        tokens: Scales of token amounts.
        cursors: Signs and checks page cursors.
        expected_revision: Migration the database must be at; None accepts any.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        tokens: TokenBook,
        cursors: CursorCodec,
        expected_revision: str | None,
    ) -> None:
        self.engine = engine
        self.tokens = tokens
        self.cursors = cursors
        self.expected_revision = expected_revision

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Open one REPEATABLE READ transaction, so that rows and ``as_of`` are of one instant."""
        with (
            self.engine.connect().execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            ) as connection,
            connection.begin(),
        ):
            yield Snapshot(connection, read_chain_marks(connection))

    def page(self, snapshot: Snapshot, request: Request, query: PageQuery) -> PageRequest:
        """Read which page is wanted, refusing a cursor that is not good any more.

        Raises:
            ProblemError: 400 for a changed cursor or one of another query, 409 after a reorg.
        """
        filters = query.model_dump_json(exclude={"cursor", "limit"})
        scope = f"{request.url.path}?{filters}"
        cursor: Cursor | None = None
        if query.cursor is not None:
            cursor = self.cursors.decode(scope, query.cursor)
            refuse_if_reorganised(snapshot.connection, cursor)
        return PageRequest(scope, query.limit, cursor)

    def next_cursor(self, wanted: PageRequest, cursor: Cursor | None) -> str | None:
        """Write the next page's cursor; None on the last page."""
        return None if cursor is None else self.cursors.encode(wanted.scope, cursor)


def get_reader(request: Request) -> Reader:
    """The reader that ``create_app`` built."""
    reader: Reader = request.app.state.reader
    return reader


Reading = Annotated[Reader, Depends(get_reader)]


def chain_in_query(name: str | None) -> int | None:
    """Read the ``chain`` filter, a network name or chain id.

    Raises:
        ProblemError: 422, there is no such network.
    """
    if name is None:
        return None
    chain_id = find_chain(name)
    if chain_id is None:
        raise bad_parameter("chain", ValueError(f"unknown chain: choose one of {_names()}"))
    return chain_id


def chain_in_path(name: str) -> int:
    """Read a chain that is part of a resource's name.

    Raises:
        ProblemError: 404, there is no such network.
    """
    chain_id = find_chain(name)
    if chain_id is None:
        raise not_found("chain")
    return chain_id


def find_chain(name: str) -> int | None:
    """The chain id of a network name or of a decimal chain id; None when Lastro knows none."""
    for network in NETWORKS:
        if name in {network.name, str(network.chain_id)}:
            return network.chain_id
    return None


def _names() -> str:
    return ", ".join(network.name for network in NETWORKS)
