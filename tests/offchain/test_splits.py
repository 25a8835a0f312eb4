from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.gateways.choosing import GatewayName
from offchain.money import MINOR_UNITS_MAX, MinorUnits
from offchain.splits import WHOLE_BPS, Share, shares_fault, split_charge


def share(account: str, bps: int, gateway: GatewayName = "crowdsplit") -> Share:
    return Share(gateway, account, bps, "creator")


@st.composite
def whole_shares(draw: st.DrawFn) -> list[Share]:
    """One to twenty shares of at least one basis point that make a whole."""
    cuts = draw(st.sets(st.integers(1, WHOLE_BPS - 1), max_size=19))
    edges = [0, *sorted(cuts), WHOLE_BPS]
    widths = [after - before for before, after in pairwise(edges)]
    return [share(f"acc-{place}", bps) for place, bps in enumerate(widths)]


@given(st.integers(1, MINOR_UNITS_MAX), whole_shares())
def test_split_charge_sums_to_the_charge_and_is_never_a_unit_off(
    minor: int, shares: list[Share]
) -> None:
    parts = split_charge(MinorUnits(minor), shares)
    assert sum(part.minor for part in parts) == minor
    assert all(part.minor > 0 for part in parts)
    got = {part.account_id: part.minor for part in parts}
    for one in shares:
        exact = Fraction(minor * one.bps, WHOLE_BPS)
        assert abs(got.get(one.account_id, 0) - exact) < 1


@given(st.integers(1, MINOR_UNITS_MAX), whole_shares())
def test_split_charge_gives_the_units_left_over_to_the_largest_remainders(
    minor: int, shares: list[Share]
) -> None:
    got = {part.account_id: part.minor for part in split_charge(MinorUnits(minor), shares)}
    raised: list[Fraction] = []
    left: list[Fraction] = []
    for one in shares:
        exact = Fraction(minor * one.bps, WHOLE_BPS)
        is_raised = got.get(one.account_id, 0) > exact
        (raised if is_raised else left).append(exact - int(exact))
    assert not raised or not left or min(raised) >= max(left)


def test_split_charge_serves_equal_remainders_in_the_order_of_the_shares() -> None:
    halves = [share("a", 5000), share("b", 5000)]
    assert [part.minor for part in split_charge(MinorUnits(101), halves)] == [51, 50]
    assert [part.account_id for part in split_charge(MinorUnits(1), halves)] == ["a"]


def test_split_charge_is_empty_when_nothing_is_split() -> None:
    assert split_charge(MinorUnits(5000), []) == ()


@pytest.mark.parametrize(
    ("shares", "fault"),
    [
        ([], None),
        ([share("a", 10_000)], None),
        ([share("a", 1), share("platform", 9999)], None),
        ([share("a", 10_000), share("acct_a", 10_000, "stripe")], None),
        ([share("acct_a", 9000, "stripe"), share("platform", 1000, "stripe")], None),
        ([share("a", 9999)], "sum to 9999, not to 10000"),
        ([share("a", 5000), share("b", 5001)], "sum to 10001"),
        ([share("a", 10_000), share("acct_a", 1, "stripe")], "at stripe sum to 1,"),
        ([share("a", 5000), share("a", 5000)], "an account at crowdsplit has two shares"),
        (
            [share("acct_a", 5000, "stripe"), share("acct_b", 5000, "stripe")],
            "stripe splits a charge between the platform and at most 1 more",
        ),
    ],
)
def test_shares_fault_names_what_no_gateway_could_split(
    shares: list[Share], fault: str | None
) -> None:
    found = shares_fault(shares)
    assert found is None if fault is None else fault in (found or "")
