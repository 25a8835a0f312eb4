"""One metadata for all owners, so that migrations see every table; one way to name constraints."""

from sqlalchemy import MetaData

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

SCHEMAS = ("chain", "settlement", "offchain")
"""One schema per owning package: indexer, settlement, offchain."""

ROLES = {
    "chain": "lastro_indexer",
    "settlement": "lastro_settlement",
    "offchain": "lastro_offchain",
    "api": "lastro_api",
}
"""Database role of each owner; the login role is a member of all and each process sets one."""
