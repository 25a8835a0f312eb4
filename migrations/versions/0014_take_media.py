"""Keep creators' files: what was declared, what came of it, who sent it, who took it down."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

_CHECKS = {
    "purpose": "purpose IN ('cover','gallery','document')",
    "declared_bytes": "declared_bytes BETWEEN 1 AND 20971520",
    "state": (
        "state IN"
        " ('pending','uploaded','processing','ready','refused','failed','expired','removed')"
    ),
    "processed": "processed IN ('untouched','compressed','stripped')",
    "removal": "removal IN ('due','done')",
    "ready_is_known": (
        "state <> 'ready' OR (etag IS NOT NULL AND stored_bytes IS NOT NULL"
        " AND sha256 IS NOT NULL AND processed IS NOT NULL AND removal IS NULL)"
    ),
    "end_has_reason": (
        "(state IN ('refused','failed','expired','removed')) = (reason IS NOT NULL)"
    ),
    "end_has_time": (
        "(state IN ('ready','refused','failed','expired','removed')) = (decided_at IS NOT NULL)"
    ),
    "undecided_is_due": (
        "next_try_at IS NOT NULL OR (decided_at IS NOT NULL AND removal IS DISTINCT FROM 'due')"
    ),
}


def upgrade() -> None:
    _create_files()
    _create_uploaders()
    _create_removals()
    _guard_files()
    # The read role serves the public: who sent a file or took it down is none of its business.
    op.execute("REVOKE ALL ON offchain.file_uploaders, offchain.file_removals FROM lastro_api")


def _time(name: str, *, nullable: bool = True, is_now: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if is_now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _create_files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("declared_type", sa.Text(), nullable=False),
        sa.Column("declared_bytes", sa.Integer(), nullable=False),
        sa.Column("declared_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("source_etag", sa.Text(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("frames", sa.Integer(), nullable=True),
        sa.Column("processed", sa.Text(), nullable=True),
        sa.Column("siblings", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("removal", sa.Text(), nullable=True),
        _time("url_expires_at", nullable=False),
        _time("uploaded_at"),
        _time("next_try_at", is_now=True),
        sa.Column("is_taken", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("engine_failures", sa.Integer(), server_default="0", nullable=False),
        _time("created_at", nullable=False, is_now=True),
        _time("decided_at"),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_files_{name}"))
            for name, condition in _CHECKS.items()
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["offchain.campaigns.id"],
            name=op.f("fk_files_campaign_id_campaigns"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("object_key", name=op.f("uq_files_object_key")),
        schema="offchain",
    )
    op.create_index("ix_files_campaign", "files", ["campaign_id", "created_at"], schema="offchain")
    op.create_index(
        "ix_files_due",
        "files",
        ["next_try_at"],
        schema="offchain",
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )


def _create_uploaders() -> None:
    op.create_table(
        "file_uploaders",
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("uploader", sa.Text(), nullable=False),
        sa.Column("address", postgresql.INET(), nullable=True),
        _time("created_at", nullable=False, is_now=True),
        sa.ForeignKeyConstraint(
            ["file_id"], ["offchain.files.id"], name=op.f("fk_file_uploaders_file_id_files")
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_file_uploaders")),
        schema="offchain",
    )
    op.create_index(
        "ix_file_uploaders_created", "file_uploaders", ["created_at"], schema="offchain"
    )
    op.create_index("ix_file_uploaders_uploader", "file_uploaders", ["uploader"], schema="offchain")


def _create_removals() -> None:
    op.create_table(
        "file_removals",
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("removed_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _time("created_at", nullable=False, is_now=True),
        sa.CheckConstraint(
            "length(removed_by) BETWEEN 1 AND 100", name=op.f("ck_file_removals_removed_by")
        ),
        sa.CheckConstraint(
            "length(reason) BETWEEN 1 AND 500", name=op.f("ck_file_removals_reason")
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["offchain.files.id"], name=op.f("fk_file_removals_file_id_files")
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_file_removals")),
        schema="offchain",
    )
    op.execute(
        """
        CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON offchain.file_removals
        FOR EACH STATEMENT EXECUTE FUNCTION offchain.refuse_change()
        """
    )


def _guard_files() -> None:
    """What was declared stands, an end is an end, and nobody moves what another has moved.

    After its end an operator may take a file down, and the store is told to remove its object.
    """
    op.execute(
        """
        CREATE FUNCTION offchain.keep_file() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            changing text[] := ARRAY['removal','next_try_at','is_taken','tries','version'];
            taken_down CONSTANT boolean :=
                OLD.state IN ('ready','failed') AND NEW.state = 'removed';
        BEGIN
            IF (NEW.id, NEW.campaign_id, NEW.purpose, NEW.object_key, NEW.declared_type,
                NEW.declared_bytes, NEW.declared_sha256, NEW.url_expires_at)
                IS DISTINCT FROM
               (OLD.id, OLD.campaign_id, OLD.purpose, OLD.object_key, OLD.declared_type,
                OLD.declared_bytes, OLD.declared_sha256, OLD.url_expires_at) THEN
                RAISE EXCEPTION 'what was declared of file % stands', OLD.id
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.version <> OLD.version + 1 THEN
                RAISE EXCEPTION 'file % moves by compare-and-set on its version', OLD.id
                    USING ERRCODE = 'check_violation';
            END IF;
            IF taken_down THEN
                changing := changing || ARRAY['state','reason'];
            END IF;
            IF OLD.decided_at IS NOT NULL
               AND to_jsonb(NEW) - changing IS DISTINCT FROM to_jsonb(OLD) - changing THEN
                RAISE EXCEPTION 'file % would leave its end: % to %', OLD.id, OLD.state, NEW.state
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER keep_file BEFORE UPDATE ON offchain.files
        FOR EACH ROW EXECUTE FUNCTION offchain.keep_file()
        """
    )
    # Without its row nobody would know of an object.
    op.execute(
        """
        CREATE TRIGGER immutable BEFORE DELETE OR TRUNCATE ON offchain.files
        FOR EACH STATEMENT EXECUTE FUNCTION offchain.refuse_change()
        """
    )


def downgrade() -> None:
    op.drop_table("file_removals", schema="offchain")
    op.drop_table("file_uploaders", schema="offchain")
    op.drop_table("files", schema="offchain")
    op.execute("DROP FUNCTION offchain.keep_file()")
