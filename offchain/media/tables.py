"""Creators' files, and apart from them who sent each from where, and who took which down."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB

from indexer.db.base import metadata
from indexer.db.columns import HASH, UTC_TIME
from offchain.tables import SCHEMA

# One declared upload. Its state moves only by compare-and-set on version, and never leaves refused,
# expired or removed, and ready or failed only for removed: triggers refuse all else. What was
# declared stands.
files = Table(
    "files",
    metadata,
    Column("id", Uuid, primary_key=True),  # uuid4: whoever knows it may tell that the file came
    Column("campaign_id", Uuid, ForeignKey("offchain.campaigns.id"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("declared_type", Text, nullable=False),
    Column("declared_bytes", Integer, nullable=False),
    Column("declared_sha256", HASH),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("reason", Text),  # why it is refused, failed, expired or removed
    Column("version", Integer, nullable=False, server_default="0"),
    # Committed before our picture is written over the original: whoever finds an object that names
    # this ETag as its source knows it for our own result. Of a failed file: of what failed.
    Column("source_etag", Text),
    Column("etag", Text),  # of what is shown
    Column("stored_bytes", BigInteger),
    Column("sha256", HASH),
    Column("width", Integer),  # as shown: after orientation
    Column("height", Integer),
    Column("frames", Integer),
    Column("processed", Text),  # what we set out to do, until the file is ready
    Column("siblings", JSONB, nullable=False, server_default="[]"),  # {key, type, bytes} each
    # An object that must go: due until the store has said so after the last moment it could come.
    # That of a failed file goes to quarantine, and after its time there from the store.
    Column("removal", Text),
    Column("url_expires_at", UTC_TIME, nullable=False),
    Column("uploaded_at", UTC_TIME),  # when it was first said, or seen, to have come
    Column("next_try_at", UTC_TIME, server_default=func.now()),  # null: nothing is left to do
    # A worker has it; should it die, next_try_at is when its lease is over.
    Column("is_taken", Boolean, nullable=False, server_default=false()),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("engine_failures", Integer, nullable=False, server_default="0"),  # the machine's, maybe
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    Column("decided_at", UTC_TIME),
    UniqueConstraint("object_key"),
    Index("ix_files_campaign", "campaign_id", "created_at"),
    Index("ix_files_due", "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
    CheckConstraint("purpose IN ('cover','gallery','document')", name="purpose"),
    CheckConstraint("declared_bytes BETWEEN 1 AND 20971520", name="declared_bytes"),
    CheckConstraint(
        "state IN"
        " ('pending','uploaded','processing','ready','refused','failed','expired','removed')",
        name="state",
    ),
    CheckConstraint("processed IN ('untouched','compressed','stripped')", name="processed"),
    CheckConstraint("removal IN ('due','done')", name="removal"),
    CheckConstraint(
        "state <> 'ready' OR (etag IS NOT NULL AND stored_bytes IS NOT NULL"
        " AND sha256 IS NOT NULL AND processed IS NOT NULL AND removal IS NULL)",
        name="ready_is_known",
    ),
    CheckConstraint(
        "(state IN ('refused','failed','expired','removed')) = (reason IS NOT NULL)",
        name="end_has_reason",
    ),
    CheckConstraint(
        "(state IN ('ready','refused','failed','expired','removed')) = (decided_at IS NOT NULL)",
        name="end_has_time",
    ),
    CheckConstraint(
        "next_try_at IS NOT NULL OR (decided_at IS NOT NULL AND removal IS DISTINCT FROM 'due')",
        name="undecided_is_due",
    ),
    schema=SCHEMA,
)

# The only personal part of a file: erased after 90 days, and with its owner. The read role has no
# way to it.
file_uploaders = Table(
    "file_uploaders",
    metadata,
    Column("file_id", Uuid, ForeignKey("offchain.files.id"), primary_key=True),
    Column("uploader", Text, nullable=False),  # the campaign's creator by name, or operator
    Column("address", INET),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    Index("ix_file_uploaders_created", "created_at"),
    Index("ix_file_uploaders_uploader", "uploader"),
    schema=SCHEMA,
)

# Which file an operator took down, who and why; immutable. The read role has no way to it.
file_removals = Table(
    "file_removals",
    metadata,
    Column("file_id", Uuid, ForeignKey("offchain.files.id"), primary_key=True),
    Column("removed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UTC_TIME, nullable=False, server_default=func.now()),
    CheckConstraint("length(removed_by) BETWEEN 1 AND 100", name="removed_by"),
    CheckConstraint("length(reason) BETWEEN 1 AND 500", name="reason"),
    schema=SCHEMA,
)
