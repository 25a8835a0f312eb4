"""Alembic's environment: one transaction under one advisory lock, with bounded lock waits.

The connection comes from ``migrations.run``; Alembic's own configuration holds no URL.
"""

from alembic import context
from sqlalchemy.schema import SchemaItem

import indexer.projection_tables
import indexer.tables
import offchain.claim_tables
import offchain.ledger.tables
import offchain.media.tables
import offchain.reconciliation.tables
import offchain.tables
import settlement.audit.tables
import settlement.record_tables
import settlement.tables
from indexer.db.base import SCHEMAS, metadata

_OWNED = (
    indexer.tables,
    indexer.projection_tables,
    settlement.tables,
    settlement.record_tables,
    settlement.audit.tables,
    offchain.tables,
    offchain.claim_tables,
    offchain.ledger.tables,
    offchain.media.tables,
    offchain.reconciliation.tables,
)


def _include(item: SchemaItem, _name: str | None, kind: str, *_rest: object) -> bool:
    return kind != "table" or getattr(item, "schema", None) in SCHEMAS


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    include_object=_include,
    version_table_schema="public",
    compare_type=True,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()
