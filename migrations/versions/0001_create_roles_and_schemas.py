"""Create one schema and one role per owner.

Roles belong to the server, not to the database, so they are made if missing and never dropped.
"""

from alembic import op

revision = "0001"
down_revision = None

_OWNERS = {
    "chain": "lastro_indexer",
    "settlement": "lastro_settlement",
    "offchain": "lastro_offchain",
}
_READERS = {
    "chain": ("lastro_settlement", "lastro_offchain", "lastro_api"),
    "settlement": ("lastro_offchain", "lastro_api"),
    "offchain": ("lastro_api",),
}
_ROLES = (*_OWNERS.values(), "lastro_api")


def upgrade() -> None:
    for role in _ROLES:
        # Two databases of one server may be migrated at once: the loser of the race finds the role.
        op.execute(
            f"""
            DO $$ BEGIN
                CREATE ROLE {role} NOLOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
            """
        )
        # Since Postgres 16 whoever creates a role may administer it, but not yet act as it.
        op.execute(
            f"""
            DO $$ BEGIN
                IF NOT pg_has_role(session_user, '{role}', 'SET') THEN
                    EXECUTE format('GRANT {role} TO %I WITH SET TRUE', session_user);
                END IF;
            END $$
            """
        )
    for schema, owner in _OWNERS.items():
        op.execute(f"CREATE SCHEMA {schema}")
        op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {owner}")
        op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT ALL ON TABLES TO {owner}")
        op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT ALL ON SEQUENCES TO {owner}")
        for reader in _READERS[schema]:
            op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {reader}")
            op.execute(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader}"
            )
    for role in _ROLES:
        op.execute(f"GRANT SELECT ON public.alembic_version TO {role}")


def downgrade() -> None:
    for role in _ROLES:
        op.execute(f"REVOKE ALL ON public.alembic_version FROM {role}")
    for schema, owner in _OWNERS.items():
        for role in (owner, *_READERS[schema]):
            op.execute(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON TABLES FROM {role}"
            )
            op.execute(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON SEQUENCES FROM {role}"
            )
        op.execute(f"DROP SCHEMA {schema}")
