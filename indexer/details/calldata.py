"""What a transaction asked of treasuries and factories, read from its calldata. Pure.

Every generation of Oak's functions, ours, and the ways in which such a call is wrapped: an adapter
(ERC-2771: 20 bytes of sender behind the arguments, which decoding passes over), its typed variants
that name the treasury first, a Safe, and a Safe's batch. What stands in calldata is what was asked,
not what happened: who uses it compares it with the events.

Source of the signatures: github.com/oak-network/contracts and safe-multisig-helper-contracts;
``contracts/interfaces``; github.com/safe-global/safe-smart-account (Safe, MultiSend).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from indexer.chain.trie import keccak
from indexer.chain.types import (
    ADDRESS_BYTES,
    ZERO_ADDRESS,
    Address,
    PaymentId,
    address_from_hex,
)
from indexer.signatures import signature_types

SELECTOR_BYTES = 4
_WORD_BYTES = 32
_DEPTH_MAX = 4
"""Safe, batch, adapter, treasury."""
_DELEGATED = 1

Pairs = tuple[tuple[bytes, int], ...]
"""Line items or external fees: type and base units."""
Arguments = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Creation:
    """A payment as a call asks for it."""

    treasury: Address
    payment_id: PaymentId
    amount: int
    """Base units."""
    token: Address | None
    """None in calls of treasuries that have one token."""
    line_items: Pairs = ()
    external_fees: Pairs = ()


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A confirmation as a call asks for it."""

    treasury: Address
    payment_id: PaymentId
    buyer: Address
    """Zero for none."""


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A campaign as a call asks for it."""

    factory: Address
    creator: Address
    identifier_hash: bytes
    platforms: tuple[bytes, ...]
    launch_time: int
    """Unix seconds, as the deadline."""
    deadline: int
    goal_amount: int
    currency: bytes | None
    """None before campaigns had one (abi_version 1 and 2)."""


Asked = Creation | Confirmation | NewCampaign
_Reader = Callable[[Address, Arguments], Iterator[Asked]]


@dataclass(frozen=True, slots=True)
class _Function:
    types: tuple[str, ...]
    read: _Reader


@dataclass(frozen=True, slots=True)
class _Wrapper:
    types: tuple[str, ...]
    unwrap: Callable[[Arguments], Iterator[tuple[Address, bytes]]]


@dataclass(slots=True)
class _Table:
    functions: dict[bytes, _Function] = field(default_factory=dict)
    wrappers: dict[bytes, _Wrapper] = field(default_factory=dict)


def asked_by(to: Address | None, calldata: bytes) -> tuple[Asked, ...]:
    """What a transaction to a contract asks for, in the order in which it is carried out.

    Args:
        to: The transaction's recipient; None for a contract creation, which asks for nothing.
        calldata: Its input. Rubbish asks for nothing.
    """
    return () if to is None else tuple(_asked(to, calldata, depth=0))


def selector(signature: str) -> bytes:
    """The first four bytes of a call of ``name(type,…)``."""
    return keccak(signature.encode())[:SELECTOR_BYTES]


def _asked(to: Address, calldata: bytes, *, depth: int) -> Iterator[Asked]:
    head, body = calldata[:SELECTOR_BYTES], calldata[SELECTOR_BYTES:]
    try:
        if (function := _TABLE.functions.get(head)) is not None:
            yield from tuple(function.read(to, abi_decode(function.types, body, strict=False)))
        elif (wrapper := _TABLE.wrappers.get(head)) is not None and depth < _DEPTH_MAX:
            for inner_to, inner in tuple(
                wrapper.unwrap(abi_decode(wrapper.types, body, strict=False))
            ):
                yield from _asked(inner_to, inner, depth=depth + 1)
    except (DecodingError, UnicodeDecodeError, OverflowError, ValueError):
        return


def _create(to: Address, a: Arguments) -> Iterator[Asked]:
    payment_id, _, _, token, amount, _, *extras = a
    yield Creation(to, payment_id, amount, address_from_hex(token), *map(_pairs, extras))


def _create_one_token(to: Address, a: Arguments) -> Iterator[Asked]:
    yield Creation(to, a[0], a[3], None)


def _create_batch(to: Address, a: Arguments) -> Iterator[Asked]:
    for one in zip(*a, strict=True):
        yield from _create(to, one)


def _pay_one_token(to: Address, a: Arguments) -> Iterator[Asked]:
    payment_id, _, buyer, amount = a
    yield Creation(to, payment_id, amount, None)
    yield Confirmation(to, payment_id, address_from_hex(buyer))


def _pay(to: Address, a: Arguments) -> Iterator[Asked]:
    payment_id, _, buyer, token, amount, *extras = a
    pairs = map(_pairs, extras[:2])
    yield Creation(to, payment_id, amount, address_from_hex(token), *pairs)
    yield Confirmation(to, payment_id, address_from_hex(buyer))


def _settle(to: Address, a: Arguments) -> Iterator[Asked]:
    token, settlements = a
    for payment_id, _, _, buyer, amount in settlements:
        yield Creation(to, payment_id, amount, address_from_hex(token))
        yield Confirmation(to, payment_id, address_from_hex(buyer))


def _confirm(to: Address, a: Arguments) -> Iterator[Asked]:
    payment_id, *buyer = a
    yield Confirmation(to, payment_id, address_from_hex(buyer[0]) if buyer else ZERO_ADDRESS)


def _confirm_batch(to: Address, a: Arguments) -> Iterator[Asked]:
    for one in zip(*a, strict=True):
        yield from _confirm(to, one)


def _campaign(to: Address, a: Arguments) -> Iterator[Asked]:
    creator, identifier_hash, platforms, _, _, terms, *_ = a
    launch_time, deadline, goal_amount, *currency = terms
    yield NewCampaign(
        factory=to,
        creator=address_from_hex(creator),
        identifier_hash=identifier_hash,
        platforms=tuple(platforms),
        launch_time=launch_time,
        deadline=deadline,
        goal_amount=goal_amount,
        currency=currency[0] if currency else None,
    )


def _pairs(listed: Any) -> Pairs:  # noqa: ANN401 - what eth-abi returns for (bytes32,uint256)[]
    return tuple((bytes(kind), amount) for kind, amount in listed)


def _adapted(read: _Reader) -> _Reader:
    """An adapter's variant of a treasury's function: the treasury stands first."""

    def adapted(_: Address, a: Arguments) -> Iterator[Asked]:
        yield from read(address_from_hex(a[0]), a[1:])

    return adapted


def _execute(a: Arguments) -> Iterator[tuple[Address, bytes]]:
    target, calldata = a
    yield address_from_hex(target), calldata


def _safe(a: Arguments) -> Iterator[tuple[Address, bytes]]:
    """A delegated call runs foreign code as the Safe: of use only where that is a batch."""
    target, _, calldata, operation, *_ = a
    if operation != _DELEGATED or calldata[:SELECTOR_BYTES] == _MULTI_SEND:
        yield address_from_hex(target), calldata


def _multi_send(a: Arguments) -> Iterator[tuple[Address, bytes]]:
    """Packed: operation (1 byte), recipient (20), value (32), length (32), calldata."""
    (packed,) = a
    at = 0
    while at < len(packed):
        size_at = at + 1 + ADDRESS_BYTES + _WORD_BYTES
        start = size_at + _WORD_BYTES
        end = start + int.from_bytes(packed[size_at:start], "big")
        if packed[at] != _DELEGATED:
            yield Address(packed[at + 1 : at + 1 + ADDRESS_BYTES]), packed[start:end]
        at = end


_ITEMS = "(bytes32,uint256)[]"
_ONE: Final = "bytes32,bytes32,bytes32,address,uint256,uint256"
_MANY: Final = "bytes32[],bytes32[],bytes32[],address[],uint256[],uint256[]"
_CRYPTO: Final = "bytes32,bytes32,address,address,uint256"
_TERMS: Final = "address,bytes32,bytes32[],bytes32[],bytes32[]"
_MULTI_SEND: Final = selector("multiSend(bytes)")

TREASURY_FUNCTIONS: Final[dict[str, _Reader]] = {
    "createPayment(bytes32,address,bytes32,uint256,uint256)": _create_one_token,
    "createPayment(bytes32,bytes32,bytes32,uint256,uint256)": _create_one_token,
    f"createPayment({_ONE})": _create,
    f"createPayment({_ONE},{_ITEMS},{_ITEMS})": _create,
    f"createPaymentBatch({_MANY})": _create_batch,
    f"createPaymentBatch({_MANY},{_ITEMS}[],{_ITEMS}[])": _create_batch,
    "processCryptoPayment(bytes32,bytes32,address,uint256)": _pay_one_token,
    f"processCryptoPayment({_CRYPTO})": _pay,
    f"processCryptoPayment({_CRYPTO},{_ITEMS},{_ITEMS})": _pay,
    f"processCryptoPayment({_CRYPTO},{_ITEMS},{_ITEMS},(uint256,uint256,bytes))": _pay,
    "settleBatch(address,(bytes32,bytes32,bytes32,address,uint256)[])": _settle,
    "confirmPayment(bytes32)": _confirm,
    "confirmPayment(bytes32,address)": _confirm,
    "confirmPaymentBatch(bytes32[])": _confirm_batch,
    "confirmPaymentBatch(bytes32[],address[])": _confirm_batch,
}
FACTORY_FUNCTIONS: Final[dict[str, _Reader]] = {
    f"createCampaign({_TERMS},(uint256,uint256,uint256))": _campaign,
    f"createCampaign({_TERMS},(uint256,uint256,uint256,bytes32))": _campaign,
    f"createCampaign({_TERMS},(uint256,uint256,uint256,bytes32),string,string,string,string)": (
        _campaign
    ),
}
WRAPPERS: Final[dict[str, Callable[[Arguments], Iterator[tuple[Address, bytes]]]]] = {
    "executeCall(address,bytes)": _execute,
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)": (
        _safe
    ),
    "multiSend(bytes)": _multi_send,
}


def _table() -> _Table:
    table = _Table()
    for signature, read in (*TREASURY_FUNCTIONS.items(), *FACTORY_FUNCTIONS.items()):
        types = signature_types(signature)
        table.functions[selector(signature)] = _Function(types, read)
    for signature, read in TREASURY_FUNCTIONS.items():
        adapted = signature.replace("(", "(address,", 1)
        types = signature_types(adapted)
        table.functions.setdefault(selector(adapted), _Function(types, _adapted(read)))
    for signature, unwrap in WRAPPERS.items():
        table.wrappers[selector(signature)] = _Wrapper(signature_types(signature), unwrap)
    return table


_TABLE: Final = _table()
