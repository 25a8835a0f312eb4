"""Keep every journal of the ledger balanced at commit; count tokens beside fiat.

A journal declares what its event moves, per currency, and a deferred constraint trigger compares
that with its transfers when the transaction commits: whatever failed in between, no journal stands
half-written, and none is added to later. Every transfer of before is a journal of its own. The
tokens of what is final on-chain are booked as of now, from settlement's requests.
"""

import sqlalchemy as sa
from alembic import op

from indexer.errors import ConfigurationError

revision = "0011"
down_revision = "0010"

_LEDGER = ("ledger_accounts", "ledger_journals", "ledger_transfers")
_INSERTABLE = {
    "ledger_accounts": "id, currency, normal_side",
    "ledger_journals": "id, source, source_id, kind, transfers, totals",
    "ledger_transfers": "id, journal_id, position, kind, pending_id, debit_account, credit_account,"
    " amount, currency, source, source_id",
}


def upgrade() -> None:
    _create_journals()
    _extend_transfers()
    _book_tokens()
    _guard_journals()
    # By column, so that a row's number, transaction and time are always the database's own.
    for table, columns in _INSERTABLE.items():
        op.execute(f"REVOKE ALL ON offchain.{table} FROM lastro_offchain")
        op.execute(f"GRANT SELECT, INSERT ({columns}) ON offchain.{table} TO lastro_offchain")
    # Finds what was refunded on-chain, or was not after all, without reading every move.
    op.create_index(
        "ix_moves_refunded",
        "moves",
        ["at"],
        schema="settlement",
        postgresql_where=sa.text("before = 'refunded' OR after = 'refunded'"),
    )


def _create_journals() -> None:
    op.create_table(
        "ledger_journals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("transfers", sa.Integer(), nullable=False),
        sa.Column("totals", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column(
            "xact",
            sa.BigInteger(),
            server_default=sa.text("settlement.xact_number(pg_current_xact_id())"),
            nullable=False,
        ),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint(
            "kind IN ('pending','post','void','single')", name=op.f("ck_ledger_journals_kind")
        ),
        sa.CheckConstraint("transfers > 0", name=op.f("ck_ledger_journals_moves_something")),
        sa.CheckConstraint(
            "jsonb_typeof(totals) = 'object'", name=op.f("ck_ledger_journals_totals_by_currency")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_journals")),
        sa.UniqueConstraint(
            "source", "source_id", "kind", name=op.f("uq_ledger_journals_source_source_id_kind")
        ),
        schema="offchain",
    )
    op.create_index(
        "ix_ledger_journals_xact", "ledger_journals", ["xact", "number"], schema="offchain"
    )
    op.execute(
        """
        INSERT INTO offchain.ledger_journals (id, source, source_id, kind, transfers, totals, at)
        SELECT id, source, source_id, kind, 1, jsonb_build_object(currency, amount::text),
               created_at
        FROM offchain.ledger_transfers ORDER BY created_at, pending_id IS NOT NULL, id
        """
    )
    op.execute(
        """
        CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON offchain.ledger_journals
        FOR EACH STATEMENT EXECUTE FUNCTION offchain.refuse_change()
        """
    )


def _extend_transfers() -> None:
    _drop_check("ledger_transfers", "amount_positive")
    op.add_column("ledger_transfers", sa.Column("journal_id", sa.Uuid()), schema="offchain")
    op.add_column("ledger_transfers", sa.Column("position", sa.SmallInteger()), schema="offchain")
    # Rewritten by their types: rows refuse every UPDATE, this one's too.
    op.execute(
        "ALTER TABLE offchain.ledger_transfers ALTER COLUMN amount TYPE numeric(78, 0),"
        " ALTER COLUMN journal_id TYPE uuid USING id,"
        " ALTER COLUMN position TYPE smallint USING 0"
    )
    for column in ("journal_id", "position"):
        op.alter_column("ledger_transfers", column, nullable=False, schema="offchain")
    op.create_foreign_key(
        op.f("fk_ledger_transfers_journal_id_ledger_journals"),
        "ledger_transfers",
        "ledger_journals",
        ["journal_id"],
        ["id"],
        source_schema="offchain",
        referent_schema="offchain",
    )
    op.drop_constraint(
        op.f("uq_ledger_transfers_source_source_id_kind"), "ledger_transfers", schema="offchain"
    )
    op.create_unique_constraint(
        op.f("uq_ledger_transfers_journal_id_position"),
        "ledger_transfers",
        ["journal_id", "position"],
        schema="offchain",
    )
    op.create_index(
        "ix_ledger_transfers_source_id",
        "ledger_transfers",
        ["source_id"],
        schema="offchain",
        postgresql_ops={"source_id": "text_pattern_ops"},
    )
    _create_check("ledger_transfers", "amount_positive", "amount > 0 AND amount < 'NaN'::numeric")
    _create_check("ledger_transfers", "position_counts", "position >= 0")
    _create_check(
        "ledger_accounts",
        "token_spelled",
        "currency NOT LIKE 'token:%' OR currency ~ '^token:[a-z0-9-]+[:]0x[0-9a-f]{40}$'",
    )


def _book_tokens() -> None:
    """Book what stands final on-chain, in and, where it was refunded since, out again."""
    op.execute(
        """
        WITH networks (chain_id, name) AS (
            VALUES (42220::bigint, 'celo'), (11142220, 'celo-sepolia'), (137, 'polygon'),
                   (80002, 'polygon-amoy'), (31337, 'celo-local'), (31338, 'polygon-local')
        ), events (source) AS (
            VALUES ('tokens_settled'), ('tokens_refunded')
        ), booked AS MATERIALIZED (
            SELECT events.source, gen_random_uuid() AS id, a.id::text AS source_id,
                   r.amount_base_units AS amount,
                   'token:' || n.name || ':' || '0x' || encode(r.token, 'hex') AS currency,
                   'tokens_in_treasury:' || n.name || ':' || '0x' || encode(r.treasury, 'hex')
                       AS treasury,
                   'tokens_platform_wallet:' || n.name AS wallet
            FROM offchain.payment_attempts a
            JOIN settlement.requests r
              ON r.root_id = a.id AND r.state NOT IN ('void', 'superseded')
            JOIN networks n ON n.chain_id = r.chain_id
            JOIN events ON events.source = 'tokens_settled' OR r.state = 'refunded'
            WHERE a.chain_status = 'final'
        ), accounts AS (
            INSERT INTO offchain.ledger_accounts (id, currency, normal_side)
            SELECT treasury, currency, 'debit' FROM booked
            UNION SELECT wallet, currency, 'debit' FROM booked
        ), journals AS (
            INSERT INTO offchain.ledger_journals (id, source, source_id, kind, transfers, totals)
            SELECT id, source, source_id, 'single', 1,
                   jsonb_build_object(currency, amount::text)
            FROM booked ORDER BY source_id, source DESC
        )
        INSERT INTO offchain.ledger_transfers (id, journal_id, position, kind, debit_account,
            credit_account, amount, currency, source, source_id)
        SELECT id, id, 0, 'single',
               CASE source WHEN 'tokens_settled' THEN treasury ELSE wallet END,
               CASE source WHEN 'tokens_settled' THEN wallet ELSE treasury END,
               amount, currency, source, source_id
        FROM booked
        """
    )


def _guard_journals() -> None:
    # A transfer has both its sides in one currency, so a journal that moves what it declares
    # balances. A post or void resolves all that waits in its pending journal, so that one event is
    # never half given up.
    op.execute(
        """
        CREATE FUNCTION offchain.check_journal() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog AS $$
        DECLARE
            checked uuid;
            journal offchain.ledger_journals;
            held record;
            waiting bigint;
        BEGIN
            IF TG_TABLE_NAME = 'ledger_journals' THEN
                checked := NEW.id;
            ELSE
                checked := NEW.journal_id;
            END IF;
            SELECT * INTO journal FROM offchain.ledger_journals WHERE id = checked;
            SELECT coalesce(sum(part.transfers), 0) AS transfers, sum(part.own) AS own,
                   bool_and(part.fits) AS fits, jsonb_object_agg(part.currency, part.total) AS totals
            INTO held
            FROM (
                SELECT currency, count(*) AS transfers, sum(amount)::text AS total,
                       count(*) FILTER (WHERE kind = journal.kind) AS own,
                       bool_and((source, source_id) = (journal.source, journal.source_id)
                                AND kind IN (journal.kind, 'single')) AS fits
                FROM offchain.ledger_transfers WHERE journal_id = checked GROUP BY currency
            ) AS part;
            IF held.transfers <> journal.transfers OR held.totals IS DISTINCT FROM journal.totals
            THEN
                RAISE EXCEPTION 'journal % declares % transfers of % and holds % of %', checked,
                    journal.transfers, journal.totals, held.transfers, held.totals
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NOT held.fits OR held.own = 0 THEN
                RAISE EXCEPTION 'journal % holds transfers of another event', checked
                    USING ERRCODE = 'check_violation';
            END IF;
            IF journal.kind IN ('post', 'void') THEN
                SELECT count(*) INTO waiting FROM offchain.ledger_transfers
                WHERE source = journal.source AND source_id = journal.source_id
                  AND kind = 'pending';
                IF held.own <> waiting THEN
                    RAISE EXCEPTION 'journal % resolves % of % pending transfers: all or none',
                        checked, held.own, waiting USING ERRCODE = 'check_violation';
                END IF;
            END IF;
            RETURN NULL;
        END $$
        """
    )
    for table in ("ledger_journals", "ledger_transfers"):
        op.execute(
            f"""
            CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON offchain.{table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION offchain.check_journal()
            """
        )


def downgrade() -> None:
    """Forget the tokens, which are booked anew from settlement; refuse what would be lost."""
    op.drop_index("ix_moves_refunded", table_name="moves", schema="settlement")
    for table in ("ledger_journals", "ledger_transfers"):
        op.execute(f"DROP TRIGGER balanced ON offchain.{table}")
    op.execute("DROP FUNCTION offchain.check_journal()")
    _forget_tokens()
    _require_one_transfer_each()
    _drop_check("ledger_accounts", "token_spelled")
    _drop_check("ledger_transfers", "position_counts")
    _drop_check("ledger_transfers", "amount_positive")
    op.drop_index("ix_ledger_transfers_source_id", table_name="ledger_transfers", schema="offchain")
    for column in ("journal_id", "position"):
        op.drop_column("ledger_transfers", column, schema="offchain")
    op.execute("ALTER TABLE offchain.ledger_transfers ALTER COLUMN amount TYPE bigint")
    _create_check("ledger_transfers", "amount_positive", "amount > 0")
    op.create_unique_constraint(
        op.f("uq_ledger_transfers_source_source_id_kind"),
        "ledger_transfers",
        ["source", "source_id", "kind"],
        schema="offchain",
    )
    op.drop_table("ledger_journals", schema="offchain")
    for table in ("ledger_accounts", "ledger_transfers"):
        # Both: rights by column outlive the grant of the whole table.
        op.execute(f"REVOKE ALL ON offchain.{table} FROM lastro_offchain")
        op.execute(f"GRANT ALL ON offchain.{table} TO lastro_offchain")


def _forget_tokens() -> None:
    for table in ("ledger_accounts", "ledger_transfers"):
        op.execute(f"ALTER TABLE offchain.{table} DISABLE TRIGGER immutable")
    op.execute("DELETE FROM offchain.ledger_transfers WHERE currency LIKE 'token:%'")
    op.execute("DELETE FROM offchain.ledger_accounts WHERE currency LIKE 'token:%'")
    for table in ("ledger_accounts", "ledger_transfers"):
        op.execute(f"ALTER TABLE offchain.{table} ENABLE TRIGGER immutable")


def _require_one_transfer_each() -> None:
    several = op.get_bind().scalar(
        sa.text(
            "SELECT count(*) FROM (SELECT 1 FROM offchain.ledger_transfers"
            " GROUP BY source, source_id, kind HAVING count(*) > 1) AS several"
        )
    )
    if several:
        raise ConfigurationError(
            f"{several} events of the ledger moved several transfers, which revision {down_revision} "
            "cannot hold: nothing was changed"
        )


def _drop_check(table: str, name: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, schema="offchain")


def _create_check(table: str, name: str, condition: str) -> None:
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition, schema="offchain")
