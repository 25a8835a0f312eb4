"""What every signer must do, and what is made of one that does not."""

import pytest
from eth_account import Account

from indexer.errors import ConfigurationError, InvariantError
from settlement.signer import SignerUnavailable, sign_checked
from settlement.transactions import HIGHEST_S, UnsignedTransaction, changed_fields, decode, hash_of
from tests.settlement.signers.custody import (
    KEPT,
    KEPT_ADDRESS,
    TRANSACTION,
    TRANSACTIONS,
    Custody,
    ServiceCustody,
)

SIGNATURES = 12
"""Of a random signature, every second one is high: all low by chance once in 4,096."""


def test_signer_knows_its_account(custody: Custody) -> None:
    assert custody.signer.address == KEPT_ADDRESS


@pytest.mark.parametrize("transaction", TRANSACTIONS.values(), ids=TRANSACTIONS)
def test_signer_signs_what_it_is_asked_to(
    custody: Custody, transaction: UnsignedTransaction
) -> None:
    signed = sign_checked(custody.signer, transaction)
    assert changed_fields(transaction, decode(signed.raw)) == []
    assert Account.recover_transaction(signed.raw) == KEPT.address
    assert signed.tx_hash == hash_of(signed.raw)


def test_signer_signs_with_low_s(custody: Custody) -> None:
    for _ in range(SIGNATURES):
        assert decode(custody.signer.sign(TRANSACTION)).signature.s <= HIGHEST_S


def test_signature_of_another_key_is_not_sent(custody: Custody) -> None:
    custody.use_another_key()
    with pytest.raises(InvariantError, match=r"signed (as|with)"):
        sign_checked(custody.signer, TRANSACTION)


def test_signature_of_something_else_is_not_sent(custody: Custody) -> None:
    custody.change_what_is_signed()
    with pytest.raises(InvariantError, match=r"changed the transaction|signed with another key"):
        sign_checked(custody.signer, TRANSACTION)


def test_signer_asks_again_when_it_is_throttled_for_a_moment(at_service: ServiceCustody) -> None:
    at_service.throttle(1)
    assert sign_checked(at_service.signer, TRANSACTION).raw


def test_signer_is_unavailable_while_it_is_throttled(at_service: ServiceCustody) -> None:
    at_service.throttle(-1)
    with pytest.raises(SignerUnavailable):
        at_service.signer.sign(TRANSACTION)


def test_signer_is_unavailable_when_nobody_answers(at_service: ServiceCustody) -> None:
    with pytest.raises(SignerUnavailable):
        at_service.elsewhere().sign(TRANSACTION)


def test_operator_is_told_when_the_service_does_not_let_us_in(at_service: ServiceCustody) -> None:
    with pytest.raises(ConfigurationError, match=r"LASTRO_KMS|LASTRO_REMOTE_SIGNER"):
        at_service.unwelcome().sign(TRANSACTION)


def test_operator_is_told_when_the_key_is_not_there(at_service: ServiceCustody) -> None:
    with pytest.raises(ConfigurationError, match=r"KEY_ID|WALLET_ID"):
        at_service.open_unknown()
