"""EIP-1559 transactions: what a signer is asked for, and the bytes it answers with. Pure.

Sources: EIP-2718 (the envelope), EIP-1559 (the fields and what is signed of them), EIP-2 (only the
lower of the two possible ``s`` is valid).
"""

from dataclasses import dataclass

import rlp
from eth_hash.auto import keccak
from eth_keys.datatypes import Signature as RecoverableSignature
from eth_keys.exceptions import BadSignature

from indexer.chain.types import ADDRESS_BYTES, Address, ChainId, TxHash, Wei
from settlement.fees import Fees
from settlement.types import Nonce

DYNAMIC_FEE_TYPE = 2
"""First byte of an EIP-1559 transaction."""
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order of secp256k1 (SEC 2, §2.4.1)."""
HIGHEST_S = CURVE_ORDER // 2
"""A signature with a larger ``s`` is refused by every node (EIP-2)."""
NO_COINS = Wei(0)

_FIELDS = (
    "chain id",
    "nonce",
    "priority fee",
    "max fee",
    "gas limit",
    "target",
    "value",
    "calldata",
    "access list",
)
_SIGNATURE_FIELDS = 3


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """An EIP-1559 call, without access list."""

    chain_id: ChainId
    nonce: Nonce
    to: Address
    calldata: bytes
    gas_limit: int
    fees: Fees
    value_wei: Wei = NO_COINS
    """Coins moved; only a top-up of gas has any."""


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """The bytes for the nodes, and the hash they will be known by."""

    raw: bytes
    tx_hash: TxHash


@dataclass(frozen=True, slots=True)
class Signature:
    """An ECDSA signature on secp256k1 that tells its key."""

    r: int
    s: int
    y_parity: int
    """0 or 1: which of the two keys that fit ``r`` and ``s`` is meant."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A raw transaction, taken apart."""

    fields: tuple[object, ...]
    """RLP items up to the signature."""
    signature: Signature


@dataclass(frozen=True, slots=True)
class Sent:
    """A signed transaction as it was found, and whose it is."""

    transaction: UnsignedTransaction
    sender: Address


def signing_digest(transaction: UnsignedTransaction) -> bytes:
    """The 32 bytes that a key signs."""
    return keccak(_envelope(_items(transaction)))


def attach(transaction: UnsignedTransaction, signature: Signature) -> bytes:
    """Put a transaction and its signature together; returns the raw transaction."""
    own = [_integer(part) for part in (signature.y_parity, signature.r, signature.s)]
    return _envelope([*_items(transaction), *own])


def decode(raw: bytes) -> Decoded:
    """Take a raw transaction apart.

    Raises:
        ValueError: It is not a signed EIP-1559 transaction.
    """
    if raw[:1] != bytes([DYNAMIC_FEE_TYPE]):
        raise ValueError("it is not of type 2")
    try:
        items = rlp.decode(raw[1:])
    except rlp.exceptions.RLPException as error:
        raise ValueError(f"it is not RLP: {error}") from None
    if not isinstance(items, list) or len(items) != len(_FIELDS) + _SIGNATURE_FIELDS:
        raise ValueError("it has not the twelve fields of EIP-1559")
    y_parity, r, s = (_read_integer(item) for item in items[len(_FIELDS) :])
    return Decoded(tuple(items[: len(_FIELDS)]), Signature(r, s, y_parity))


def read_signed(raw: bytes) -> Sent | None:
    """Read a raw transaction and recover its sender; None when it is not one that we could make."""
    try:
        decoded = decode(raw)
        chain_id, nonce, tip, max_fee, gas_limit = map(_read_integer, decoded.fields[:5])
        to, value, calldata, access_list = decoded.fields[5:]
        value_wei = Wei(_read_integer(value))
    except ValueError:
        return None
    if not isinstance(to, bytes) or len(to) != ADDRESS_BYTES or access_list != []:
        return None
    transaction = UnsignedTransaction(
        chain_id=ChainId(chain_id),
        nonce=Nonce(nonce),
        to=Address(to),
        calldata=bytes(calldata) if isinstance(calldata, bytes) else b"",
        gas_limit=gas_limit,
        fees=Fees(Wei(max_fee), Wei(tip)),
        value_wei=value_wei,
    )
    sender = recover(signing_digest(transaction), decoded.signature)
    return None if sender is None else Sent(transaction, sender)


def changed_fields(transaction: UnsignedTransaction, decoded: Decoded) -> list[str]:
    """Names of the fields in which signed bytes differ from what was asked for."""
    pairs = zip(_FIELDS, _items(transaction), decoded.fields, strict=True)
    return [name for name, asked, signed in pairs if asked != signed]


def recover(digest: bytes, signature: Signature) -> Address | None:
    """The account whose key made a signature; None when no key can have made it.

    Args:
        digest: The 32 bytes that were signed.
        signature: Theirs; a high ``s`` is recovered too, though no node takes it.
    """
    parts = (signature.y_parity, signature.r, signature.s)
    if not (signature.y_parity in {0, 1} and all(0 < part < CURVE_ORDER for part in parts[1:])):
        return None
    try:
        public_key = RecoverableSignature(vrs=parts).recover_public_key_from_msg_hash(digest)
    except BadSignature:
        return None
    return account_of(public_key.to_bytes())


def account_of(public_key: bytes) -> Address:
    """The account of a public key.

    Args:
        public_key: Both coordinates, 64 bytes, without a prefix.
    """
    return Address(keccak(public_key)[-ADDRESS_BYTES:])


def hash_of(raw: bytes) -> TxHash:
    """The hash by which nodes know a raw transaction."""
    return TxHash(keccak(raw))


def _items(transaction: UnsignedTransaction) -> list[object]:
    return [
        _integer(transaction.chain_id),
        _integer(transaction.nonce),
        _integer(transaction.fees.max_priority_fee_per_gas_wei),
        _integer(transaction.fees.max_fee_per_gas_wei),
        _integer(transaction.gas_limit),
        transaction.to,
        _integer(transaction.value_wei),
        transaction.calldata,
        [],
    ]


def _envelope(items: list[object]) -> bytes:
    return bytes([DYNAMIC_FEE_TYPE]) + bytes(rlp.encode(items))


def _integer(value: int) -> bytes:
    """RLP's integer: big-endian without leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _read_integer(item: object) -> int:
    if not isinstance(item, bytes) or item[:1] == b"\0":
        raise ValueError("a field is not an RLP integer")
    return int.from_bytes(item, "big")
