"""What is KMS's own: random signatures, DER, kinds of keys, and what its errors mean."""

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import ConfigurationError, InvariantError
from settlement.signer import SignerUnavailable, sign_checked
from settlement.signers.kms import KmsSigner, read_public_key, read_signature
from settlement.transactions import CURVE_ORDER
from tests.settlement.signers.custody import SECRET, TRANSACTION
from tests.support.kms import FakeKms

SCALARS = st.integers(1, CURVE_ORDER - 1)


def test_two_signatures_differ_and_both_are_valid(kms: FakeKms) -> None:
    signer = KmsSigner.open(kms.new_key(SECRET))
    first, second = (sign_checked(signer, TRANSACTION) for _ in range(2))
    assert first.tx_hash != second.tx_hash


def test_public_key_is_read_once(kms: FakeKms) -> None:
    signer = KmsSigner.open(kms.new_key(SECRET))
    kms.gate.calls.clear()
    for _ in range(3):
        sign_checked(signer, TRANSACTION)
    assert kms.gate.calls == ["Sign"] * 3


def test_open_refuses_a_key_of_another_curve(kms: FakeKms) -> None:
    with pytest.raises(ConfigurationError, match="ECC_SECG_P256K1"):
        KmsSigner.open(kms.new_key(SECRET, KeySpec="ECC_NIST_P256"))


@pytest.mark.parametrize("code", ["KMSInternalException", "KeyUnavailableException"])
def test_signer_is_unavailable_when_kms_has_trouble(kms: FakeKms, code: str) -> None:
    signer = KmsSigner.open(kms.new_key(SECRET), tries=1)
    kms.gate.refused_as = code
    with pytest.raises(SignerUnavailable, match=code):
        signer.sign(TRANSACTION)


@pytest.mark.parametrize("code", ["DisabledException", "NotFoundException"])
def test_operator_is_told_when_kms_will_not_use_the_key(kms: FakeKms, code: str) -> None:
    signer = KmsSigner.open(kms.new_key(SECRET), tries=1)
    kms.gate.refused_as = code
    with pytest.raises(ConfigurationError, match=code):
        signer.sign(TRANSACTION)


def test_operator_is_told_when_there_are_no_credentials(
    kms: FakeKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = kms.new_key(SECRET)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigurationError, match="credentials"):
        KmsSigner.open(key, tries=1)


@given(r=SCALARS, s=SCALARS)
def test_read_signature_reads_what_der_says(r: int, s: int) -> None:
    assert read_signature(encode_dss_signature(r, s)) == (r, s)


@given(r=SCALARS, s=SCALARS, cut=st.integers(0, 71))
def test_read_signature_refuses_what_is_cut_short(r: int, s: int, cut: int) -> None:
    der = encode_dss_signature(r, s)
    with pytest.raises(InvariantError, match="not DER"):
        read_signature(der[: min(cut, len(der) - 1)])


@given(st.binary(max_size=80))
def test_read_signature_never_breaks(der: bytes) -> None:
    try:
        r, s = read_signature(der)
    except InvariantError:
        return
    assert isinstance(r, int)
    assert isinstance(s, int)


@pytest.mark.parametrize("der", [b"", b"\x30\x56" + b"\0" * 86])
def test_read_public_key_refuses_what_is_no_point(der: bytes) -> None:
    with pytest.raises(ConfigurationError, match="ECC_SECG_P256K1"):
        read_public_key(der)
