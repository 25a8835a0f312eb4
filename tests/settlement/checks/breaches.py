"""What breaks a promise by SQL, past every constraint that stands in the way."""

from dataclasses import dataclass

ANY_HASH = "'\\x' || repeat('ab', 32)"
LIVE_PLEDGE = "uq_requests_live_pledge"


@dataclass(frozen=True, slots=True)
class Breach:
    """Statements that break a promise, and the check that must say so."""

    check: str
    how: str
    statements: tuple[str, ...]


def breach(check: str, how: str, *statements: str) -> Breach:
    """Name a way to break a promise; the last statement does it, those before make it possible."""
    return Breach(check, how, statements)


def another(table: str, where: str, **changes: str) -> str:
    """Insert a row like one that there is; changes are SQL expressions."""
    built = ", ".join(f"'{name}', {value}" for name, value in changes.items())
    return (
        f"INSERT INTO settlement.{table} SELECT "  # noqa: S608 - our own names
        f"(jsonb_populate_record(known, jsonb_build_object({built}))).* "
        f"FROM settlement.{table} AS known WHERE {where} LIMIT 1"
    )


def another_request(where: str, **changes: str) -> str:
    """Insert a request of another name that else is like one that there is."""
    return another("requests", where, request_id="gen_random_uuid()", **changes)


def item_elsewhere(kind: str, *, into: str) -> str:
    """Put a payment of a batch that may have effect into another such batch as well."""
    return f"""
        INSERT INTO settlement.batch_items (batch_id, ordinal, request_id, kind)
        SELECT other.id, 99, item.request_id, other.kind
        FROM settlement.batch_items AS item, settlement.batches AS other
        WHERE item.released_at IS NULL AND item.kind = '{kind}' AND other.kind = '{into}'
            AND other.released_at IS NULL AND other.id <> item.batch_id
        LIMIT 1
        """  # noqa: S608 - our own names


def no_index(name: str) -> str:
    """Drop an index."""
    return f"DROP INDEX settlement.{name}"


def no_constraint(name: str, table: str) -> str:
    """Drop a constraint."""
    return f"ALTER TABLE settlement.{table} DROP CONSTRAINT {name}"
