"""A record to seal: payments that move, and somebody who may switch every trigger off."""

import uuid
from uuid import UUID

from eth_hash.auto import keccak
from sqlalchemy import Connection, Engine, func, insert, text, update

from settlement.audit.chain import SealedBlock
from settlement.audit.export import export_record
from settlement.audit.seal import seal_record
from settlement.audit.verify import Verdict, verify
from settlement.tables import requests
from tests.settlement.builders import HASH, TOKEN, TREASURY

MOVES = ("blocked", "ready")
"""States without conditions of their own: a payment goes to and fro."""


def payment(connection: Connection) -> UUID:
    """A payment that is ready; that it is new is no move yet."""
    request_id = uuid.uuid4()
    connection.execute(
        insert(requests).values(
            request_id=request_id,
            root_id=request_id,
            chain_id=31337,
            treasury=TREASURY,
            pledge_id=uuid.uuid4(),
            generation=0,
            payment_id=keccak(request_id.bytes),
            buyer_commitment=HASH,
            item_id=HASH,
            token=TOKEN,
            amount_base_units=100,
            captured_at=func.now(),
        )
    )
    return request_id


def go(connection: Connection, request_id: UUID, moves: int = 1) -> None:
    """Move a payment so many times."""
    for count in range(moves):
        connection.execute(
            update(requests)
            .where(requests.c.request_id == request_id)
            .values(state=MOVES[count % 2], reason=f"Às {count} ½ 😀")
        )


def write_moves(engine: Engine, moves: int) -> UUID:
    """Commit so many moves of one payment."""
    with engine.begin() as connection:
        request_id = payment(connection)
        go(connection, request_id, moves)
    return request_id


def seal_one(engine: Engine, rows_max: int = 1000) -> SealedBlock | None:
    with engine.begin() as connection:
        return seal_record(connection, rows_max=rows_max)


def seal_all(engine: Engine, rows_max: int = 1000) -> list[SealedBlock]:
    return list(iter(lambda: seal_one(engine, rows_max), None))


def exported(engine: Engine) -> list[bytes]:
    with engine.connect() as connection:
        return list(export_record(connection))


def checked(engine: Engine, remembered: dict[int, bytes] | None = None) -> Verdict:
    return verify(exported(engine), remembered)


_AT = """
    CREATE FUNCTION pg_temp.at(place int) RETURNS bigint LANGUAGE sql
    RETURN (SELECT id FROM settlement.moves ORDER BY xact, id LIMIT 1 OFFSET place - 1)
"""


def tamper(login: Engine, *statements: str) -> None:
    """What a superuser can do: no trigger fires. ``pg_temp.at`` gives the id of the n-th move."""
    with login.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(_AT))
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(text("DROP FUNCTION pg_temp.at"))
