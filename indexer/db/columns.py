"""Column types that speak our domain types and check them in the database too."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect, LargeBinary, Numeric
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

UINT256_DIGITS = 78


class FixedBytes(TypeDecorator[bytes]):
    """``bytea`` of an exact length: 20 for addresses, 32 for hashes and bytes32 values."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    @override
    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        if value is not None and len(value) != self.length:
            raise ValueError(f"expected {self.length} bytes, got {len(value)}")
        return value

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes(value)


class Uint256(TypeDecorator[int]):
    """An EVM ``uint256`` as ``numeric(78,0)``, read back as ``int``."""

    impl = Numeric(UINT256_DIGITS, 0)
    cache_ok = True

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class UtcDateTime(TypeDecorator[datetime]):
    """``timestamptz`` that refuses naive datetimes and always reads back UTC."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive datetime has no instant: use datetime.now(UTC)")
        return value

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


ADDRESS = FixedBytes(20)
HASH = FixedBytes(32)
UINT256 = Uint256()
UTC_TIME = UtcDateTime()
