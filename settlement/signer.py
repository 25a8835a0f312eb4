"""Signers sign; they never send, and no answer of theirs is believed unchecked.

    TransientError
    └── SignerUnavailable   throttled or out of reach: nothing was signed that counts; ask again
    PermanentError
    └── SignerRefused       the service understood and said no: asking again cannot help

A signature that fits the transaction but is never stored is worth nothing: a signer may be asked
again at any time, and need not answer with the same bytes.
"""

from typing import Protocol

from indexer.chain.types import Address, to_checksum
from indexer.errors import InvariantError, PermanentError, TransientError
from settlement.policy import Permissions, refusal
from settlement.transactions import (
    HIGHEST_S,
    SignedTransaction,
    UnsignedTransaction,
    attach,
    changed_fields,
    decode,
    hash_of,
    recover,
    signing_digest,
)


class SignerUnavailable(TransientError):  # noqa: N818 - reads as a state
    """A key service is throttled or does not answer."""


class SignerRefused(PermanentError):  # noqa: N818 - reads as a state
    """A key service understood and will not do it.

    Attributes:
        code: The service's own word for why, or empty.
    """

    def __init__(self, what: str, code: str) -> None:
        self.code = code
        super().__init__(f"{what} was refused: {code or 'no reason given'}")


class Signer(Protocol):
    """Holds one key, or asks a service that does."""

    @property
    def address(self) -> Address:
        """The account it signs for."""
        ...

    def sign(self, transaction: UnsignedTransaction) -> bytes:
        """Sign; returns the raw transaction.

        Raises:
            SignerUnavailable: No signature could be had now.
            SignerRefused: None will be had of this transaction.
            ConfigurationError: The service does not know us or the key.
        """
        ...


def sign_checked(
    signer: Signer, transaction: UnsignedTransaction, *, permissions: Permissions | None = None
) -> SignedTransaction:
    """Have a transaction signed and check every field of the answer, and whose signature it is.

    Args:
        signer: Whom to ask.
        transaction: What to ask for.
        permissions: What the account may sign; the key is not asked for anything else. None allows
            everything.

    Raises:
        InvariantError: Policy refuses the transaction, or the signed bytes are not the transaction
            that was asked for.
        SignerUnavailable: No signature could be had now.
        SignerRefused: None will be had of this transaction.
    """
    if permissions is not None:
        _require_permission(signer, transaction, permissions)
    raw = signer.sign(transaction)
    try:
        decoded = decode(raw)
    except ValueError as fault:
        raise InvariantError(f"the signer's answer is no transaction: {fault}") from None
    changed = changed_fields(transaction, decoded)
    if changed:
        raise InvariantError(
            f"the signer changed the transaction of nonce {transaction.nonce} "
            f"({', '.join(changed)}): it is not sent"
        )
    sender = recover(signing_digest(transaction), decoded.signature)
    if sender != signer.address:
        other = "nobody" if sender is None else to_checksum(sender)
        raise InvariantError(
            f"the signer signed as {other}, not {to_checksum(signer.address)}: check which key it "
            "holds"
        )
    if decoded.signature.s > HIGHEST_S or raw != attach(transaction, decoded.signature):
        raise InvariantError("the signer's signature is not in the one form that nodes accept")
    return SignedTransaction(raw, hash_of(raw))


def _require_permission(
    signer: Signer, transaction: UnsignedTransaction, permissions: Permissions
) -> None:
    if permissions.account != signer.address:
        raise InvariantError(
            f"permissions of {to_checksum(permissions.account)} were given for "
            f"{to_checksum(signer.address)}"
        )
    reason = refusal(permissions, transaction)
    if reason is not None:
        raise InvariantError(
            f"the transaction of nonce {transaction.nonce} is not signed: {reason}"
        )
