"""Each kind of treasury: which way its payments take, and what bounds a call."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.deployments import TreasuryKind
from indexer.errors import ConfigurationError
from settlement import calldata
from settlement.batching import first_cut, limits
from settlement.kinds import kind_named
from settlement.types import PaymentStep
from tests.settlement.builders import NOW, due

OURS = {
    "payment-treasury",
    "time-constrained-payment-treasury",
    "mirror-payment-treasury",
}
KINDS: tuple[str, ...] = get_args(TreasuryKind)


@pytest.mark.parametrize("name", KINDS)
def test_kind_is_known_by_the_name_that_deployment_records_use(name: str) -> None:
    assert kind_named(name).name == name


@pytest.mark.parametrize("name", KINDS)
def test_kind_settles_in_one_call_only_where_the_treasury_is_ours(name: str) -> None:
    kind = kind_named(name)
    assert kind.first_step == ("settle" if name in OURS else "create")
    assert kind.items_max == (5_000 if name in OURS else 50)


def test_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="choose one of payment-treasury"):
        kind_named("all-or-nothing")


@pytest.mark.parametrize(
    ("step", "signature"),
    [
        ("create", calldata.CREATE_PAYMENTS_SIGNATURE),
        ("confirm", calldata.CONFIRM_PAYMENTS_SIGNATURE),
        ("settle", calldata.SETTLE_PAYMENTS_SIGNATURE),
    ],
)
def test_step_is_encoded_as_its_call(step: PaymentStep, signature: str) -> None:
    data = kind_named("payment-treasury").encode(step, [due()], expiration=NOW)
    assert data[:4] == calldata.selector(signature)


@given(
    name=st.sampled_from(KINDS),
    step=st.sampled_from(("create", "confirm")),
    block_gas=st.integers(20_000_000, 10**9),
)
def test_first_cut_stays_within_the_kinds_cap_the_block_and_the_transaction_cap(
    name: str, step: PaymentStep, block_gas: int
) -> None:
    kind = kind_named(name)
    bounds = limits(
        items_max=kind.items_max, block_gas_limit=block_gas, gas_per_transaction_max=2**24
    )
    cut = first_cut(range(6_000), bounds, predicted_gas=lambda items: kind.gas(step, items))
    assert 1 <= len(cut) <= kind.items_max
    assert kind.gas(step, len(cut)) * 12 // 10 <= 2**24
