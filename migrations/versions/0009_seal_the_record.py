"""The record of settlement can no longer be changed unseen: append-only tables, sealed in a chain.

What settlement did is kept as rows: moves of payments, notes of everything else. They are written
by triggers as the login role, and the role that settles may neither change nor forge them. The
login role, which owns the tables, and a superuser still can: they may switch a trigger off, edit a
row and switch it on again. No right can prevent that, so the rows are hashed into blocks, each
block naming the one before; whoever remembers one block's hash finds every change below it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_RECORD = ("moves", "notes", "audit_blocks")


def upgrade() -> None:
    # Rows are sealed in the order of their transactions' numbers, which only grow in one server. A
    # database restored from a dump into another server starts below its own past: replace this
    # function by one that adds what is missing before anything is written.
    op.execute(
        """
        CREATE FUNCTION settlement.xact_number(xact xid8) RETURNS bigint
        LANGUAGE sql IMMUTABLE RETURN xact::text::bigint
        """
    )
    op.add_column("moves", _xact(), schema="settlement")
    op.create_index("ix_moves_xact", "moves", ["xact", "id"], schema="settlement")
    _create_notes()
    _create_blocks()
    for kind, function in _NOTING.items():
        op.execute(
            f"""
            CREATE FUNCTION settlement.note_{kind}() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog AS $$ {function} $$
            """
        )
    for kind, moment in _MOMENTS.items():
        op.execute(
            f"CREATE TRIGGER keep_note AFTER {moment} FOR EACH ROW"
            f" EXECUTE FUNCTION settlement.note_{kind}()"
        )
    _protect()


def _create_notes() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        _xact(),
        _now("at"),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text()),
        sa.Column("detail", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.CheckConstraint(
            "subject_kind IN ('action','switch','signer','attempt','batch','operator')",
            name=op.f("ck_notes_subject_kind"),
        ),
        # A number would be a float to some reader, and hash otherwise.
        sa.CheckConstraint(
            "jsonb_typeof(detail) = 'object'"
            " AND NOT jsonb_path_exists(detail, '$.** ? (@.type() == \"number\")')",
            name=op.f("ck_notes_detail_without_numbers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        schema="settlement",
    )
    op.create_index("ix_notes_xact", "notes", ["xact", "id"], schema="settlement")
    op.create_index("ix_notes_subject", "notes", ["subject"], schema="settlement")


def _create_blocks() -> None:
    hashes = ("rows_hash", "previous_hash", "merkle_root", "hash")
    op.create_table(
        "audit_blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("first_position", sa.BigInteger(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("until_xact", sa.BigInteger(), nullable=False),
        sa.Column("until_table", sa.Text(), nullable=False),
        sa.Column("until_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in hashes),
        sa.Column("row_hashes", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_audit_blocks_from_one")),
        sa.CheckConstraint(
            "rows > 0 AND last_position - first_position + 1 = rows"
            " AND octet_length(row_hashes) = 32 * rows",
            name=op.f("ck_audit_blocks_whole"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_blocks")),
        sa.UniqueConstraint("first_position", name=op.f("uq_audit_blocks_first_position")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_audit_blocks_previous_hash")),
        schema="settlement",
    )


# What each note tells. Figures are texts; addresses, hashes and ids name nobody outside this
# database. OLD is null where a row is new, NEW where it is gone. A transaction's hash is that of its
# raw bytes, so they need no other.
_NOTING = {
    "action": """
        DECLARE
            told settlement.actions := coalesce(NEW, OLD);
        BEGIN
            INSERT INTO settlement.notes (subject_kind, subject, before, after, detail)
            VALUES ('action', told.action_id::text, OLD.state, NEW.state,
                jsonb_strip_nulls(jsonb_build_object(
                    'chain_id', told.chain_id::text,
                    'kind', told.kind,
                    'treasury', '0x' || encode(told.treasury, 'hex'),
                    'request_id', told.request_id::text,
                    'sender', '0x' || encode(told.sender, 'hex'),
                    'recipient', '0x' || encode(told.recipient, 'hex'),
                    'amount', told.amount::text,
                    'requested_by', told.requested_by,
                    'reason', told.reason)));
            RETURN NULL;
        END
        """,
    "switch": """
        DECLARE
            told settlement.switches := coalesce(NEW, OLD);
        BEGIN
            INSERT INTO settlement.notes (subject_kind, subject, before, after, detail)
            VALUES ('switch', told.scope || ' ' || told.key,
                CASE OLD.is_stopped WHEN true THEN 'stopped' WHEN false THEN 'open' END,
                CASE NEW.is_stopped WHEN true THEN 'stopped' WHEN false THEN 'open' END,
                jsonb_build_object('reason', told.reason, 'set_by', told.set_by));
            RETURN NULL;
        END
        """,
    "signer": """
        DECLARE
            told settlement.signers := coalesce(NEW, OLD);
        BEGIN
            INSERT INTO settlement.notes (subject_kind, subject, before, after, detail)
            VALUES ('signer', told.chain_id || ':' || '0x' || encode(told.address, 'hex'),
                OLD.mode, NEW.mode,
                jsonb_strip_nulls(jsonb_build_object(
                    'reason', told.mode_reason, 'next_nonce', told.next_nonce::text)));
            RETURN NULL;
        END
        """,
    "attempt": """
        BEGIN
            INSERT INTO settlement.notes (subject_kind, subject, after, detail)
            SELECT 'attempt', '0x' || encode(NEW.tx_hash, 'hex'), 'signed',
                jsonb_strip_nulls(jsonb_build_object(
                    'chain_id', NEW.chain_id::text,
                    'signer', '0x' || encode(NEW.signer, 'hex'),
                    'nonce', NEW.nonce::text,
                    'sequence', NEW.sequence::text,
                    'batch_id', slot.batch_id::text,
                    'is_noop', NEW.is_noop,
                    'max_fee_per_gas_wei', NEW.max_fee_per_gas_wei::text,
                    'max_priority_fee_per_gas_wei', NEW.max_priority_fee_per_gas_wei::text))
            FROM settlement.nonce_slots AS slot
            WHERE (slot.chain_id, slot.signer, slot.nonce) = (NEW.chain_id, NEW.signer, NEW.nonce);
            RETURN NULL;
        END
        """,
    "release": """
        BEGIN
            IF OLD.released_at IS DISTINCT FROM NEW.released_at THEN
                INSERT INTO settlement.notes (subject_kind, subject, before, after, detail)
                VALUES ('batch', NEW.id::text,
                    CASE WHEN OLD.released_at IS NULL THEN 'sealed' ELSE 'released' END,
                    CASE WHEN NEW.released_at IS NULL THEN 'sealed' ELSE 'released' END,
                    jsonb_strip_nulls(jsonb_build_object(
                        'chain_id', NEW.chain_id::text,
                        'kind', NEW.kind,
                        'treasury', '0x' || encode(NEW.treasury, 'hex'))));
            END IF;
            RETURN NULL;
        END
        """,
}
_MOMENTS = {
    "action": (
        "INSERT OR DELETE OR UPDATE OF state, reason, chain_id, kind, treasury, request_id, sender,"
        " recipient, amount, requested_by ON settlement.actions"
    ),
    "switch": "INSERT OR DELETE OR UPDATE ON settlement.switches",
    # Every batch takes a next_nonce: that alone is no news.
    "signer": "INSERT OR DELETE OR UPDATE OF mode, mode_reason ON settlement.signers",
    "attempt": "INSERT ON settlement.attempts",
    "release": "UPDATE OF released_at ON settlement.batches",
}


def _protect() -> None:
    """Let the record grow, and do nothing else."""
    op.execute(
        """
        CREATE FUNCTION settlement.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% of settlement.% is refused: the record is only ever added to',
                TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in _RECORD:
        op.execute(
            f"""
            CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement.{table}
            FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change()
            """
        )
        op.execute(f"REVOKE ALL ON settlement.{table} FROM lastro_settlement")
        op.execute(f"GRANT SELECT ON settlement.{table} TO lastro_settlement")
    # By column, so that a row's number, transaction and time are always the database's own.
    op.execute(
        "GRANT INSERT (request_id, before, after, reason, batch_id) ON settlement.moves"
        " TO lastro_settlement"
    )
    op.execute(
        "GRANT INSERT (subject_kind, subject, before, after, detail) ON settlement.notes"
        " TO lastro_settlement"
    )
    op.execute("GRANT INSERT ON settlement.audit_blocks TO lastro_settlement")


def downgrade() -> None:
    """Drop the notes and the chain; the moves stay."""
    for table in ("actions", "switches", "signers", "attempts", "batches"):
        op.execute(f"DROP TRIGGER keep_note ON settlement.{table}")
    for kind in _NOTING:
        op.execute(f"DROP FUNCTION settlement.note_{kind}()")
    op.execute("DROP TRIGGER immutable ON settlement.moves")
    op.drop_table("audit_blocks", schema="settlement")
    op.drop_table("notes", schema="settlement")
    op.execute("DROP FUNCTION settlement.refuse_change()")
    op.drop_index("ix_moves_xact", table_name="moves", schema="settlement")
    op.drop_column("moves", "xact", schema="settlement")
    op.execute("DROP FUNCTION settlement.xact_number(xid8)")
    # Both: rights by column outlive the grant of the whole table.
    op.execute("REVOKE ALL ON settlement.moves FROM lastro_settlement")
    op.execute("GRANT ALL ON settlement.moves TO lastro_settlement")


def _xact() -> "sa.Column[object]":
    return sa.Column(
        "xact",
        sa.BigInteger(),
        server_default=sa.text("settlement.xact_number(pg_current_xact_id())"),
        nullable=False,
    )


def _now(name: str) -> "sa.Column[object]":
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text("clock_timestamp()"),
        nullable=False,
    )
