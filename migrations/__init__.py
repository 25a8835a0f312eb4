"""Alembic migrations: linear, one advisory lock, expand then contract."""
