"""More of schema ``settlement``: notes of what was done beside payments, and the sealed blocks.

``moves`` and ``notes`` are the record. Both are only ever added to: a trigger refuses all else, and
the role that settles may not even ask. ``audit_blocks`` chains their rows by hash, for whoever may
switch a trigger off.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from indexer.db.base import metadata
from indexer.db.columns import HASH, UTC_TIME
from settlement.record_tables import THIS_TRANSACTION
from settlement.tables import SCHEMA

# Written by triggers. subject_kind: action | switch (scope, key) | signer (chain id:0x address) |
# attempt (its transaction hash) | batch (that it was released) | operator: what a command did that
# no other table shows. No secrets, no personal data; detail holds no numbers.
notes = Table(
    "notes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("xact", BigInteger, nullable=False, server_default=THIS_TRANSACTION),
    Column("at", UTC_TIME, nullable=False, server_default=func.clock_timestamp()),
    Column("subject_kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Text),  # null: the subject is new
    Column("after", Text),  # null: it is gone
    Column("detail", JSONB, nullable=False),
    Index("ix_notes_xact", "xact", "id"),
    Index("ix_notes_subject", "subject"),
    CheckConstraint(
        "subject_kind IN ('action','switch','signer','attempt','batch','operator')",
        name="subject_kind",
    ),
    CheckConstraint(
        "jsonb_typeof(detail) = 'object'"
        " AND NOT jsonb_path_exists(detail, '$.** ? (@.type() == \"number\")')",
        name="detail_without_numbers",
    ),
    schema=SCHEMA,
)

# Rows of the record that were hashed together; what each column means: settlement.audit.chain.
audit_blocks = Table(
    "audit_blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from 1, without holes
    Column("version", SmallInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("until_xact", BigInteger, nullable=False),  # with the next two: its last row's place
    Column("until_table", Text, nullable=False),
    Column("until_id", BigInteger, nullable=False),
    Column("rows_hash", HASH, nullable=False),
    Column("previous_hash", HASH, nullable=False),
    Column("merkle_root", HASH, nullable=False),
    Column("hash", HASH, nullable=False),
    Column("row_hashes", LargeBinary, nullable=False),  # 32 bytes a row, in order
    Column("sealed_at", UTC_TIME, nullable=False),
    UniqueConstraint("first_position"),
    UniqueConstraint("previous_hash"),  # no fork
    CheckConstraint("number > 0", name="from_one"),
    CheckConstraint(
        "rows > 0 AND last_position - first_position + 1 = rows"
        " AND octet_length(row_hashes) = 32 * rows",
        name="whole",
    ),
    schema=SCHEMA,
)
