"""What JSON has no form for, as text: the ``default`` of every ``json.dumps`` that shows rows."""

from datetime import datetime


def plain(value: object) -> str:
    """Write bytes as ``0x`` hex, times in ISO 8601, and anything else as it prints."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
