from dataclasses import replace

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.abi import load_artifact
from indexer.chain.types import Address, ChainId, Wei, to_checksum
from settlement import calldata
from settlement.calldata import (
    CLAIM_REFUND_SIGNATURE,
    DISBURSE_FEES_SIGNATURE,
    WITHDRAW_SIGNATURE,
    selector,
)
from settlement.fees import Fees
from settlement.policy import (
    TREASURY_SIGNATURES,
    Known,
    Permissions,
    holder_permissions,
    platform_permissions,
    refusal,
)
from settlement.routes import ThroughAdapter
from settlement.transactions import UnsignedTransaction
from settlement.types import Nonce
from tests.settlement.policies import (
    ADAPTER,
    CAP,
    ESCROW,
    FACTORY,
    PAID,
    PARAMS,
    PLATFORM,
    STRANGER,
    TOKEN,
    TOPPED_UP,
    TREASURIES,
    TREASURY,
    WALLET,
    deployment,
)

KNOWN = Known(
    treasuries=frozenset({TREASURY}),
    wallets=frozenset({WALLET}),
    token_recipients=frozenset({PAID}),
    coin_recipients=frozenset({TOPPED_UP}),
)
PLATFORMS = platform_permissions(deployment(), KNOWN, account=PLATFORM, max_fee_per_gas_wei=CAP)
CREATORS = holder_permissions(
    deployment(),
    Known(treasuries=frozenset({TREASURY}), token_recipients=frozenset({PAID})),
    account=WALLET,
    max_fee_per_gas_wei=CAP,
)
ADAPTERS = platform_permissions(
    deployment(adapter=ADAPTER), KNOWN, account=PLATFORM, max_fee_per_gas_wei=CAP
)


def asked(to: Address, data: bytes = b"", *, value_wei: int = 0) -> UnsignedTransaction:
    return UnsignedTransaction(
        chain_id=ChainId(31337),
        nonce=Nonce(0),
        to=to,
        calldata=data,
        gas_limit=21_000,
        fees=Fees(CAP, Wei(1)),
        value_wei=Wei(value_wei),
    )


def call(signature: str, *words: bytes) -> bytes:
    return selector(signature) + b"".join(word.rjust(32, b"\0") for word in words)


def transfer(recipient: Address) -> bytes:
    return call(calldata.TRANSFER_SIGNATURE, recipient, b"\x05")


def refund(recipient: Address) -> bytes:
    return call(CLAIM_REFUND_SIGNATURE, b"\x07" * 32, recipient)


CREATE_CAMPAIGN = call(calldata.CREATE_CAMPAIGN_SIGNATURE, b"\x01")
WITHDRAW = call(WITHDRAW_SIGNATURE)
THROUGH = ThroughAdapter(ADAPTER)

PERMITTED = {
    "campaign": (PLATFORMS, asked(FACTORY, CREATE_CAMPAIGN)),
    "treasury": (PLATFORMS, asked(TREASURIES, call(calldata.DEPLOY_SIGNATURE))),
    **{
        signature.partition("(")[0]: (PLATFORMS, asked(TREASURY, call(signature)))
        for signature in TREASURY_SIGNATURES
        if signature != CLAIM_REFUND_SIGNATURE
    },
    "refund to a wallet": (PLATFORMS, asked(TREASURY, refund(WALLET))),
    "refund to the platform": (PLATFORMS, asked(TREASURY, refund(PLATFORM))),
    "refund to the escrow": (PLATFORMS, asked(TREASURY, refund(ESCROW))),
    "refund to whom an operator named": (PLATFORMS, asked(TREASURY, refund(PAID))),
    "funding": (PLATFORMS, asked(TOKEN, transfer(TREASURY))),
    "transfer to whom an operator named": (PLATFORMS, asked(TOKEN, transfer(PAID))),
    "top-up of a wallet": (PLATFORMS, asked(WALLET, value_wei=10**18)),
    "top-up of whom an operator named": (PLATFORMS, asked(TOPPED_UP, value_wei=1)),
    "no-op": (PLATFORMS, asked(PLATFORM)),
    "creator withdraws": (CREATORS, asked(TREASURY, WITHDRAW)),
    "creator disburses": (CREATORS, asked(TREASURY, call(DISBURSE_FEES_SIGNATURE))),
    "creator pays whom was named": (CREATORS, asked(TOKEN, transfer(PAID))),
    "creator's no-op": (CREATORS, asked(WALLET)),
    "through the adapter": (ADAPTERS, asked(*THROUGH.lead(TREASURY, WITHDRAW))),
}

REFUSED = {
    "coins to a stranger": (PLATFORMS, asked(STRANGER, value_wei=1), "no account to send coins"),
    "nothing to a stranger": (PLATFORMS, asked(STRANGER), "no account to send coins"),
    "coins to whom tokens may go": (PLATFORMS, asked(PAID, value_wei=1), "no account to send"),
    "coins to a treasury": (PLATFORMS, asked(TREASURY, value_wei=1), "no account to send coins"),
    "coins to oneself": (PLATFORMS, asked(PLATFORM, value_wei=1), "no-op would move 1 wei"),
    "coins with a call": (PLATFORMS, asked(TREASURY, WITHDRAW, value_wei=1), "would carry 1 wei"),
    "a call of a wallet": (PLATFORMS, asked(WALLET, WITHDRAW), "no call that it may make"),
    "a campaign elsewhere": (PLATFORMS, asked(STRANGER, CREATE_CAMPAIGN), "no call that"),
    "a campaign of a treasury": (PLATFORMS, asked(TREASURY, CREATE_CAMPAIGN), "no call that"),
    "a strange treasury": (PLATFORMS, asked(STRANGER, WITHDRAW), "no call that it may make"),
    "global parameters": (PLATFORMS, asked(PARAMS, WITHDRAW), "no call that it may make"),
    "half a selector": (PLATFORMS, asked(TREASURY, WITHDRAW[:3]), "no call that it may make"),
    "approval of tokens": (
        PLATFORMS,
        asked(TOKEN, call("approve(address,uint256)", PAID, b"\x01")),
        "no call that it may make",
    ),
    "tokens to a stranger": (PLATFORMS, asked(TOKEN, transfer(STRANGER)), "may pay"),
    "tokens to a wallet": (PLATFORMS, asked(TOKEN, transfer(WALLET)), "may pay"),
    "another token": (PLATFORMS, asked(STRANGER, transfer(TREASURY)), "no call that it may make"),
    "a padded recipient": (
        PLATFORMS,
        asked(TOKEN, call(calldata.TRANSFER_SIGNATURE, b"\x01" + TREASURY, b"\x05")),
        "may pay",
    ),
    "a short transfer": (PLATFORMS, asked(TOKEN, transfer(TREASURY)[:-1]), "two words"),
    "a long transfer": (PLATFORMS, asked(TOKEN, transfer(TREASURY) + b"\0"), "two words"),
    "refund to a stranger": (PLATFORMS, asked(TREASURY, refund(STRANGER)), "may pay"),
    "creator settles": (
        CREATORS,
        asked(TREASURY, call(calldata.SETTLE_PAYMENTS_SIGNATURE)),
        "no call that it may make",
    ),
    "creator creates": (CREATORS, asked(FACTORY, CREATE_CAMPAIGN), "no call that it may make"),
    "creator sends coins": (CREATORS, asked(PLATFORM, value_wei=1), "no account to send coins"),
    "creator pays a stranger": (CREATORS, asked(TOKEN, transfer(STRANGER)), "may pay"),
    "no adapter": (PLATFORMS, asked(*THROUGH.lead(TREASURY, WITHDRAW)), "no call that"),
    "adapter to a stranger": (ADAPTERS, asked(*THROUGH.lead(STRANGER, WITHDRAW)), "no call that"),
    "adapter to a token": (ADAPTERS, asked(*THROUGH.lead(TOKEN, transfer(PAID))), "no call that"),
    "adapter refunds a stranger": (
        ADAPTERS,
        asked(*THROUGH.lead(TREASURY, refund(STRANGER))),
        "may pay",
    ),
    "adapter in itself": (
        ADAPTERS,
        asked(*THROUGH.lead(*THROUGH.lead(TREASURY, WITHDRAW))),
        "no call that it may make",
    ),
    "adapter without arguments": (
        ADAPTERS,
        asked(ADAPTER, selector("executeCall(address,bytes)")),
        "cannot be read",
    ),
    "adapter with a tail": (
        ADAPTERS,
        asked(ADAPTER, THROUGH.lead(TREASURY, WITHDRAW)[1] + b"\0" * 32),
        "oddly encoded",
    ),
    "another call of the adapter": (ADAPTERS, asked(ADAPTER, WITHDRAW), "no call that"),
}


@pytest.mark.parametrize(("permissions", "transaction"), PERMITTED.values(), ids=PERMITTED)
def test_refusal_is_none_of_what_settlement_does(
    permissions: Permissions, transaction: UnsignedTransaction
) -> None:
    assert refusal(permissions, transaction) is None


@pytest.mark.parametrize(("permissions", "transaction", "words"), REFUSED.values(), ids=REFUSED)
def test_refusal_says_what_is_wrong_with_all_else(
    permissions: Permissions, transaction: UnsignedTransaction, words: str
) -> None:
    assert words in str(refusal(permissions, transaction))


@pytest.mark.parametrize(("permissions", "transaction"), PERMITTED.values(), ids=PERMITTED)
def test_refusal_holds_every_transaction_to_chain_and_cap(
    permissions: Permissions, transaction: UnsignedTransaction
) -> None:
    dear = replace(transaction, fees=Fees(Wei(CAP + 1), Wei(0)))
    assert "the cap is 100" in str(refusal(permissions, dear))
    elsewhere = replace(transaction, chain_id=ChainId(1))
    assert "of chain 1, not 31337" in str(refusal(permissions, elsewhere))


@pytest.mark.parametrize(
    "contract", ["PaymentTreasury", "TimeConstrainedPaymentTreasury", "MirrorPaymentTreasury"]
)
def test_treasury_signatures_are_the_contracts(contract: str) -> None:
    known = {entry_signature(entry) for entry in load_artifact(contract).abi}
    assert set(TREASURY_SIGNATURES) <= known


def test_wrapped_call_is_refused_when_its_offset_is_moved() -> None:
    """One call may be encoded in many ways; only the way that we write is signed."""
    moved = encode(["address", "uint256", "uint256"], [to_checksum(TREASURY), 0x60, 0])
    data = selector("executeCall(address,bytes)") + moved + encode(["uint256"], [4])
    data += WITHDRAW.ljust(32, b"\0")
    assert refusal(ADAPTERS, asked(ADAPTER, data)) == "what the adapter would call is oddly encoded"


ACCOUNTS = st.sampled_from(
    [PLATFORM, FACTORY, TREASURIES, PARAMS, TOKEN, ADAPTER, TREASURY, WALLET, PAID, STRANGER]
)
DATA = st.one_of(
    st.binary(max_size=120),
    st.builds(
        lambda signature, tail: selector(signature) + tail,
        st.sampled_from([*TREASURY_SIGNATURES, calldata.TRANSFER_SIGNATURE]),
        st.binary(max_size=80),
    ),
)


@given(to=ACCOUNTS, data=DATA, value_wei=st.integers(0, 2))
def test_what_is_permitted_moves_nothing_to_a_stranger(
    to: Address, data: bytes, value_wei: int
) -> None:
    for permissions in (PLATFORMS, CREATORS, ADAPTERS):
        if refusal(permissions, asked(to, data, value_wei=value_wei)) is not None:
            continue
        if value_wei:
            assert to in KNOWN.wallets | KNOWN.coin_recipients
            assert data == b""
        if data:
            assert to in {*permissions.calls, *permissions.tokens, permissions.adapter}
        if data[:4] in {selector(CLAIM_REFUND_SIGNATURE), selector(calldata.TRANSFER_SIGNATURE)}:
            assert data.find(STRANGER) < 0


@given(to=st.binary(min_size=20, max_size=20), data=DATA, value_wei=st.integers(0, 2))
def test_a_stranger_is_never_called(to: bytes, data: bytes, value_wei: int) -> None:
    target = Address(b"\xee" + to[1:])
    assert refusal(PLATFORMS, asked(target, data, value_wei=value_wei)) is not None


def entry_signature(entry: dict[str, object]) -> str:
    def written(part: dict[str, object]) -> str:
        kind = str(part["type"])
        if not kind.startswith("tuple"):
            return kind
        components = part["components"]
        assert isinstance(components, list)
        return f"({','.join(map(written, components))}){kind.removeprefix('tuple')}"

    inputs = entry.get("inputs", [])
    assert isinstance(inputs, list)
    return f"{entry.get('name')}({','.join(map(written, inputs))})"
