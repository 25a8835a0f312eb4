import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import Engine

from indexer.db.session import open_engine
from indexer.errors import ConfigurationError
from migrations.run import check_models, code_revision, migrate, require_current
from stack.postgres import EmbeddedPostgres


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> str:
    name = "empty_database"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    postgres.create_database(name)
    return postgres.url(name)


def test_models_equal_migrations(login_engine: Engine) -> None:
    with login_engine.connect() as connection:
        check_models(connection)


def test_migrations_go_up_down_and_up(empty_database: str) -> None:
    assert migrate(empty_database) == (None, code_revision())
    assert migrate(empty_database, target="base") == (code_revision(), None)
    assert migrate(empty_database) == (None, code_revision())


def test_migrate_leaves_one_history_when_two_replicas_race(empty_database: str) -> None:
    with ThreadPoolExecutor(2) as replicas:
        outcomes = list(replicas.map(migrate, [empty_database] * 2))
    assert sorted(before or "" for before, _ in outcomes) == ["", code_revision()]
    assert {after for _, after in outcomes} == {code_revision()}


def test_migrate_keeps_the_rows_of_an_older_schema(empty_database: str) -> None:
    migrate(empty_database)
    migrate(empty_database, target="0003")
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            "INSERT INTO settlement.signers (chain_id, address, next_nonce) VALUES (1, %s, 7)",
            (bytes(20),),
        )
    assert migrate(empty_database) == ("0003", code_revision())
    with psycopg.connect(empty_database) as connection:
        kept = connection.execute("SELECT next_nonce FROM settlement.signers").fetchall()
    assert kept == [(7,)]


def test_require_current_refuses_when_the_database_is_empty(empty_database: str) -> None:
    engine = open_engine(empty_database, role=None)
    with pytest.raises(ConfigurationError, match="run 'lastro migrate'"):
        require_current(engine)
    engine.dispose()


def test_migrate_refuses_when_the_database_is_newer(empty_database: str) -> None:
    migrate(empty_database)
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="newer Lastro"):
        migrate(empty_database)


def test_each_role_writes_its_own_schema_only(database_url: str) -> None:
    engine = open_engine(database_url, role="lastro_api")
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM chain.marks")
        with pytest.raises(Exception, match="permission denied"):
            connection.exec_driver_sql("DELETE FROM chain.marks")
    engine.dispose()


def test_payments_under_way_stay_guarded_when_their_schema_learns_to_settle(
    empty_database: str,
) -> None:
    """Survives: an update while a payment of before is created and its confirmation is sent."""
    migrate(empty_database)
    migrate(empty_database, target="0004")
    request, batches = uuid.uuid4(), [uuid.uuid4() for _ in range(3)]
    kinds = ("create_payments", "confirm_payments", "settle_payments")
    item = "INSERT INTO settlement.batch_items VALUES (%s, 0, %s, %s, NULL)"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO settlement.requests (request_id, chain_id, treasury, pledge_id,"
            " generation, payment_id, buyer_commitment, item_id, token, amount_base_units,"
            " captured_at) VALUES (%s, 1, '', %s, 0, '', '', '', '', 1, now())",
            (request, request),
        )
        for batch, kind in list(zip(batches, kinds, strict=True))[:2]:
            _add_batch(connection, batch, kind)
            connection.execute(item, (batch, request, kind))
    assert migrate(empty_database) == ("0004", code_revision())
    with psycopg.connect(empty_database, autocommit=True) as connection:
        _add_batch(connection, batches[2], kinds[2])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(item, (batches[2], request, kinds[2]))


def _add_batch(connection: psycopg.Connection, batch: uuid.UUID, kind: str) -> None:
    connection.execute(
        "INSERT INTO settlement.batches (id, chain_id, kind, target, calldata, gas_limit)"
        " VALUES (%s, 1, %s, '', '', 0)",
        (batch, kind),
    )
