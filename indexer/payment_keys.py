"""Under which id a treasury keeps the payment that an event creates. Pure.

The platform's payments are kept under the id they are announced with. A payment that its buyer
makes on-chain is kept under a hash of id and buyer, so that it takes no id from the platform: both
may live under one id, of which only the platform's payment can be confirmed or cancelled.

Source: ``PaymentBook.cryptoKey``; Oak's ``BasePaymentTreasury`` hashes alike, but reports the
announced id only.
"""

from indexer.chain.trie import keccak
from indexer.chain.types import Address, PaymentId
from indexer.decode import Event


def crypto_key(announced_id: PaymentId, buyer: Address) -> PaymentId:
    """The id under which a crypto payment is kept: keccak256(abi.encodePacked(id, buyer))."""
    return PaymentId(keccak(announced_id + buyer))


def announced_id(created: Event) -> PaymentId | None:
    """The id that a ``PaymentCreated`` announces for a crypto payment; None for the platform's."""
    is_crypto = bool(created.integer_of("isCryptoPayment"))
    return PaymentId(created.bytes_of("paymentId")) if is_crypto else None


def created_id(created: Event) -> PaymentId:
    """The id under which the payment of a ``PaymentCreated`` is kept."""
    announced = announced_id(created)
    if announced is None:
        return PaymentId(created.bytes_of("paymentId"))
    return crypto_key(announced, created.address_of("buyerAddress"))
