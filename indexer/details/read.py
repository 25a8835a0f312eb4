"""Ask a node for what events do not carry: a transaction's input, or the contract's state then."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from indexer.chain.blocks import Transaction
from indexer.chain.refusals import PrunedHistory, RateLimited, refusal_of
from indexer.chain.source import Block
from indexer.chain.types import (
    Address,
    BlockNumber,
    PaymentId,
    TxHash,
    address_from_hex,
)
from indexer.details.calldata import Asked, NewCampaign, Pairs, asked_by, selector
from indexer.details.plan import PendingCampaign, Place
from indexer.errors import RpcError, RpcUnavailable

_REVERTED = 3
"""JSON-RPC code of a revert."""
_CONTRACT_WORDS = (
    "execution reverted",
    "invalid opcode",
    "invalid jump",
    "stack underflow",
    "invalidfeopcode",
    "opcodenotfound",
    "invalidjump",
    "stackunderflow",
)
"""A contract without the getter reverts; what is no treasury at all may also halt. Whichever node
runs it says so: go-ethereum ``core/vm/errors.go``, and revm's ``HaltReason``."""
_WORDS_MAX = 120
_PAYMENT_DATA = (
    "(address,bytes32,bytes32,uint256,uint256,bool,bool,uint256,address,"
    "(bytes32,uint256,string,bool,bool,bool,bool)[],(bytes32,uint256)[])"
)


class StateReader(Protocol):
    """What finding details needs of a chain; ``ChainReader`` has it."""

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        """The transaction; None when the node does not know it."""
        ...

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        """``eth_call`` without a sender."""
        ...


class NotNow(RpcUnavailable):
    """A node refuses this one question for now; it may well answer others."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The chain has no answer, and will have none."""

    reason: str


@dataclass(frozen=True, slots=True)
class StateLost(Unavailable):
    """The nodes have no answer any more; one that keeps history would."""


@dataclass(frozen=True, slots=True)
class PaymentData:
    """What a treasury says of a payment; ours answer nothing for what they keep a hash of."""

    buyer: Address
    amount: int
    token: Address
    line_items: Pairs
    external_fees: Pairs


def asked_in(reader: StateReader, place: Place) -> tuple[Asked, ...]:
    """What the transaction of a fact asked for; nothing when the node has lost it.

    Raises:
        NotNow: The node refuses, or has the transaction in another block: it is on another fork.
        RpcUnavailable: No node answered.
    """
    try:
        transaction = reader.transaction_by_hash(place.tx_hash)
    except RpcError as refusal:
        refused(refusal)
        return ()
    if transaction is None:
        return ()
    if transaction.block_hash != place.block_hash:
        raise NotNow("the node has the transaction in another block")
    return asked_by(transaction.to, transaction.input)


def ask(reader: StateReader, to: Address, call: bytes, answer: str, block: Block) -> Any:  # noqa: ANN401 - of the type that ``answer`` names, or Unavailable
    """Call a getter and decode its one answer; ``Unavailable`` when there is none.

    Args:
        reader: The chain.
        to: The contract.
        call: Selector and arguments.
        answer: ABI type of what it returns.
        block: At which block.

    Raises:
        RpcUnavailable: No node answered, or not now.
    """
    try:
        raw = reader.call(to, call, block)
    except RpcError as refusal:
        return refused(refusal)
    try:
        (value,) = abi_decode([answer], raw)
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return Unavailable("the contract answers something else")
    return value


def refused(refusal: RpcError) -> Unavailable:
    """What a refusal to answer means, where asking again would not help.

    Only a contract's own refusal, and history that is gone, are answers. A node's "internal error"
    is none: a load balancer has such moments.

    Raises:
        NotNow: Asking again later may help.
        RpcUnavailable: Asking anything but later does not.
    """
    meaning, words = refusal_of(refusal), refusal.message[:_WORDS_MAX]
    if isinstance(meaning, PrunedHistory):
        return StateLost("the node no longer has the state at that block")
    if isinstance(meaning, RateLimited):
        raise RpcUnavailable(f"not now: {words}") from refusal
    lowered = refusal.message.lower()
    if refusal.code == _REVERTED or any(one in lowered for one in _CONTRACT_WORDS):
        return Unavailable("the contract does not answer")
    raise NotNow(f"not now: {words} (code {refusal.code})") from refusal


def payment_data(
    reader: StateReader, treasury: Address, payment_id: PaymentId, block: BlockNumber
) -> PaymentData | Unavailable:
    """``getPaymentData`` at a block: gone where the payment was cancelled or refunded in it.

    Raises:
        RpcUnavailable: No node answered, or not now.
    """
    call = selector("getPaymentData(bytes32)") + payment_id
    answer = ask(reader, treasury, call, _PAYMENT_DATA, block)
    if isinstance(answer, Unavailable):
        return answer
    buyer, _, _, amount, _, _, _, _, token, line_items, external_fees = answer
    if amount == 0:
        return Unavailable("the payment is gone at the end of that block")
    return PaymentData(
        buyer=address_from_hex(buyer),
        amount=amount,
        token=address_from_hex(token),
        line_items=tuple((bytes(kind), value) for kind, value, *_ in line_items),
        external_fees=tuple((bytes(kind), value) for kind, value in external_fees),
    )


def accepted_tokens(
    reader: StateReader, campaign: Address, block: BlockNumber
) -> tuple[Address, ...] | None:
    """The tokens of a campaign, which never change: of today where the block's state is gone."""
    call = selector("getAcceptedTokens()")
    answer = ask(reader, campaign, call, "address[]", block)
    if isinstance(answer, Unavailable):
        answer = ask(reader, campaign, call, "address[]", "latest")
    if isinstance(answer, Unavailable):
        return None
    return tuple(map(address_from_hex, answer))


def campaign_settings(
    reader: StateReader, pending: PendingCampaign, platforms: Iterable[bytes]
) -> NewCampaign | Unavailable:
    """A campaign's getters at the block that created it.

    Args:
        reader: The chain.
        pending: The campaign.
        platforms: Those enlisted by then: a campaign lists its own nowhere.

    Raises:
        RpcUnavailable: No node answered, or not now.
    """
    block = pending.place.block_number

    def get(signature: str, answer: str, argument: bytes = b"") -> Any:  # noqa: ANN401 - as ``ask``
        return ask(reader, pending.campaign, selector(signature) + argument, answer, block)

    times = [get(f"get{name}()", "uint256") for name in ("LaunchTime", "Deadline", "GoalAmount")]
    owner, currency = get("owner()", "address"), get("getCampaignCurrency()", "bytes32")
    lists = {one: get("checkIfPlatformSelected(bytes32)", "bool", one) for one in platforms}
    lacking = [one for one in (*times, owner) if isinstance(one, Unavailable)]
    # Old campaigns have no currency, and some refuse the last getter: no reason to give up.
    lacking += [one for one in (currency, *lists.values()) if isinstance(one, StateLost)]
    if lacking:
        return lacking[0]
    return NewCampaign(
        factory=pending.factory,
        creator=address_from_hex(owner),
        identifier_hash=pending.identifier_hash,
        platforms=tuple(one for one, is_listed in lists.items() if is_listed is True),
        launch_time=times[0],
        deadline=times[1],
        goal_amount=times[2],
        currency=None if isinstance(currency, Unavailable) else currency,
    )
