"""RFC 8785, with the RFC's own examples where it has some."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.audit.canonical import canonical

VALUES: list[tuple[object, str]] = [
    (None, "null"),
    (True, "true"),
    (0, "0"),
    (-1, "-1"),
    (2**53 - 1, "9007199254740991"),
    (2**53, '"9007199254740992"'),
    (-(2**53), '"-9007199254740992"'),
    (b"\x00\xff", '"0x00ff"'),
    (b"", '"0x"'),
    (UUID(int=10), '"00000000-0000-0000-0000-00000000000a"'),
    (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), '"2026-01-02T03:04:05.000006Z"'),
    (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00.000000Z"'),
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3))), '"2026-01-02T03:00:00.000000Z"'),
    ({"b": [1, {}], "a": ()}, '{"a":[],"b":[1,{}]}'),
    ('€$\x0f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
    ("\b\f\r\t\x1f\x7f\u2028", '"\\b\\f\\r\\t\\u001f\x7f\u2028"'),
    (
        dict.fromkeys(["€", "\r", "\ufb33", "1", "😀", "\x80", "ö"], 0),
        '{"\\r":0,"1":0,"\x80":0,"ö":0,"€":0,"😀":0,"\ufb33":0}',
    ),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_canonical_writes_values(value: object, text: str) -> None:
    assert canonical(value) == text.encode()


@pytest.mark.parametrize("value", [1.5, {"a": 0.0}, [object()], {1, 2}])
def test_canonical_refuses_what_has_no_one_form(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)


@pytest.mark.parametrize("value", [datetime(2026, 1, 2), "\ud800"])  # noqa: DTZ001 - the point
def test_canonical_refuses_what_is_no_value(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what it says differs
        canonical(value)


@given(st.dictionaries(st.text(), st.text()))
def test_canonical_does_not_depend_on_the_order_of_keys(values: dict[str, str]) -> None:
    assert canonical(values) == canonical(dict(reversed(values.items())))
