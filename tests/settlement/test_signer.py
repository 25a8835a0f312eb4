"""Nothing forbidden is asked of a key, and nothing false is believed of its answer."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.chain.types import Address, ChainId, Wei
from indexer.errors import InvariantError
from settlement.fees import Fees
from settlement.policy import Permissions
from settlement.signer import SignerRefused, sign_checked
from settlement.signers.keystore import KeystoreSigner
from settlement.transactions import (
    CURVE_ORDER,
    Signature,
    UnsignedTransaction,
    attach,
    changed_fields,
    decode,
    recover,
    signing_digest,
)
from settlement.types import Nonce
from tests.settlement.builders import TREASURY
from tests.settlement.world import ADMIN

SIGNER = KeystoreSigner(ADMIN)
TRANSACTION = UnsignedTransaction(
    chain_id=ChainId(31337),
    nonce=Nonce(0),
    to=TREASURY,
    calldata=b"\x00\x01",
    gas_limit=21_000,
    fees=Fees(Wei(200), Wei(0)),
)
PERMISSIONS = Permissions(
    chain_id=ChainId(31337), account=SIGNER.address, max_fee_per_gas_wei=Wei(200), calls={}
)
NOOP = replace(TRANSACTION, to=SIGNER.address, calldata=b"")


class Answering:
    """A signer of the admin's name that answers what it was given."""

    address = SIGNER.address

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.asked = 0

    def sign(self, transaction: UnsignedTransaction) -> bytes:
        self.asked += transaction.gas_limit > 0
        return self.raw


def high_s(raw: bytes) -> bytes:
    """The other signature of the same key, which is valid but for EIP-2."""
    one = decode(raw).signature
    return attach(TRANSACTION, Signature(one.r, CURVE_ORDER - one.s, 1 - one.y_parity))


def of_nobody(raw: bytes) -> bytes:
    one = decode(raw).signature
    return attach(TRANSACTION, Signature(0, one.s, one.y_parity))


def padded(raw: bytes) -> bytes:
    return raw + b"\0"


def test_sign_checked_gives_what_the_signer_gave() -> None:
    signed = sign_checked(SIGNER, TRANSACTION)
    assert signed.raw == SIGNER.sign(TRANSACTION)


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (high_s, "form that nodes accept"),
        (of_nobody, "signed as nobody"),
        (padded, "no transaction"),
        (lambda raw: b"\x01" + raw[1:], "not of type 2"),
        (lambda raw: raw[:1] + raw[5:], "no transaction"),
        (lambda _raw: b"", "not of type 2"),
        (lambda _raw: b"\x02\xc1\x01", "twelve fields"),
    ],
)
def test_sign_checked_refuses_an_answer_that_is_not_the_one_right_form(
    alter: Callable[[bytes], bytes], words: str
) -> None:
    with pytest.raises(InvariantError, match=words):
        sign_checked(Answering(alter(SIGNER.sign(TRANSACTION))), TRANSACTION)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("chain id", {"chain_id": ChainId(1)}),
        ("nonce", {"nonce": Nonce(1)}),
        ("priority fee", {"fees": Fees(Wei(200), Wei(1))}),
        ("max fee", {"fees": Fees(Wei(201), Wei(0))}),
        ("gas limit", {"gas_limit": 21_001}),
        ("target", {"to": Address(b"\x09" * 20)}),
        ("value", {"value_wei": Wei(1)}),
        ("calldata", {"calldata": b"\x00"}),
    ],
)
def test_sign_checked_names_the_field_that_was_changed(
    field: str, change: dict[str, object]
) -> None:
    changed = replace(TRANSACTION, **change)  # type: ignore[arg-type]
    with pytest.raises(InvariantError, match=rf"changed the transaction .*\({field}\)"):
        sign_checked(Answering(SIGNER.sign(changed)), TRANSACTION)


def test_sign_checked_signs_what_is_permitted() -> None:
    assert sign_checked(SIGNER, NOOP, permissions=PERMISSIONS).raw == SIGNER.sign(NOOP)


def test_sign_checked_asks_no_key_for_what_is_not_permitted() -> None:
    signer = Answering(SIGNER.sign(TRANSACTION))
    with pytest.raises(InvariantError, match="is not signed: 0x0001 on"):
        sign_checked(signer, TRANSACTION, permissions=PERMISSIONS)
    assert signer.asked == 0


def test_sign_checked_refuses_permissions_of_another_account() -> None:
    others = replace(PERMISSIONS, account=TREASURY)
    with pytest.raises(InvariantError, match="permissions of"):
        sign_checked(SIGNER, NOOP, permissions=others)


def test_refusal_carries_the_services_code() -> None:
    assert str(SignerRefused("POST /x", "policy_violation")).endswith("policy_violation")


@given(
    nonce=st.integers(0, 2**64 - 1),
    gas_limit=st.integers(0, 2**64 - 1),
    fees=st.tuples(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1)),
    value=st.integers(0, 2**256 - 1),
    calldata=st.binary(max_size=100),
    to=st.binary(min_size=20, max_size=20),
)
def test_decode_reads_back_what_was_attached(
    nonce: int, gas_limit: int, fees: tuple[int, int], value: int, calldata: bytes, to: bytes
) -> None:
    transaction = UnsignedTransaction(
        ChainId(137),
        Nonce(nonce),
        Address(to),
        calldata,
        gas_limit,
        Fees(Wei(fees[0]), Wei(fees[1])),
        Wei(value),
    )
    signature = Signature(5, 7, 1)
    decoded = decode(attach(transaction, signature))
    assert changed_fields(transaction, decoded) == []
    assert decoded.signature == signature


@pytest.mark.parametrize(
    "signature",
    [
        Signature(0, 1, 0),
        Signature(1, 0, 0),
        Signature(CURVE_ORDER, 1, 0),
        Signature(1, CURVE_ORDER, 0),
        Signature(1, 1, 2),
        Signature(5, 1, 0),  # no point of the curve has this x
    ],
)
def test_recover_knows_nobody_when_no_key_can_have_signed(signature: Signature) -> None:
    assert recover(signing_digest(TRANSACTION), signature) is None
