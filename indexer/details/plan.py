"""Which of what a transaction asked for belongs to an event. Pure.

A call is believed where it names the event's payment, token and amount; its line items, where the
treasury logged their hash, only under that hash. Two calls that fit and differ decide nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from eth_abi.abi import encode as abi_encode

from indexer.chain.trie import keccak
from indexer.chain.types import (
    ZERO_ADDRESS,
    Address,
    BlockHash,
    BlockNumber,
    PaymentId,
    TxHash,
    to_hex,
)
from indexer.details.calldata import Asked, Confirmation, Creation, NewCampaign, Pairs

Kind = Literal["line_items", "buyer", "campaign_settings"]
Source = Literal["calldata", "read", "event", "unavailable"]
JsonObject = dict[str, object]
"""As in ``logs.arguments``: integers as decimal strings, bytes as ``0x`` hex."""


@dataclass(frozen=True, slots=True)
class Place:
    """The fact that a detail belongs to."""

    block_number: BlockNumber
    log_index: int
    ordinal: int
    block_hash: BlockHash
    tx_hash: TxHash

    @property
    def key(self) -> tuple[BlockNumber, int, int]:
        """Block, log and ordinal: how facts are ordered."""
        return self.block_number, self.log_index, self.ordinal


@dataclass(frozen=True, slots=True)
class ExtrasHashes:
    """What a treasury of ours logs of a payment's line items and external fees."""

    line_items: bytes
    external_fees: bytes

    def fit(self, line_items: Pairs, external_fees: Pairs) -> bool:
        """Whether these are the ones."""
        return (self.line_items, self.external_fees) == (
            pairs_hash(line_items),
            pairs_hash(external_fees),
        )


@dataclass(frozen=True, slots=True)
class PendingItems:
    """A created payment whose line items are not known yet."""

    place: Place
    treasury: Address
    announced_id: PaymentId
    token: Address
    amount: int
    extras: ExtrasHashes | None


@dataclass(frozen=True, slots=True)
class PendingBuyer:
    """A confirmation of which it is not known whether it names a buyer."""

    place: Place
    treasury: Address
    payment_id: PaymentId
    confirmed_count: int
    """Payments that the same event confirms."""
    minted_to: tuple[Address, ...]
    """Who got the receipts minted for this event, in order."""
    is_plain: bool
    """Whether no buyer paid on-chain in the same transaction: that receipt may stand among them."""


@dataclass(frozen=True, slots=True)
class PendingCampaign:
    """A campaign whose settings are not known yet."""

    place: Place
    factory: Address
    campaign: Address
    identifier_hash: bytes


Pending = PendingItems | PendingBuyer | PendingCampaign


@dataclass(frozen=True, slots=True)
class Detail:
    """A row of ``details``."""

    place: Place
    kind: Kind
    source: Source
    arguments: JsonObject


def pairs_hash(pairs: Pairs) -> bytes:
    """keccak256(abi.encode(pairs)), as ``LineItems.record`` hashes them."""
    return keccak(abi_encode(["(bytes32,uint256)[]"], [list(pairs)]))


def items_asked(pending: PendingItems, asked: Iterable[Asked]) -> tuple[Pairs, Pairs] | None:
    """The line items and external fees of the call that created the payment."""
    found = {
        (one.line_items, one.external_fees)
        for one in asked
        if isinstance(one, Creation)
        and (one.treasury, one.payment_id) == (pending.treasury, pending.announced_id)
        and one.amount == pending.amount
        and one.token in (None, pending.token)
        and believed(pending, one.line_items, one.external_fees)
    }
    return found.pop() if len(found) == 1 else None


def believed(pending: PendingItems, line_items: Pairs, external_fees: Pairs) -> bool:
    """Whether line items fit what the treasury logged of them, if it did."""
    return pending.extras is None or pending.extras.fit(line_items, external_fees)


def buyer_minted(pending: PendingBuyer) -> Address | None:
    """The buyer, where the receipts alone tell; zero for none.

    A confirmation that names a buyer mints a receipt: without receipts, there is no buyer.
    """
    if not pending.is_plain:
        return None
    if not pending.minted_to:
        return ZERO_ADDRESS
    if len(pending.minted_to) == pending.confirmed_count:
        return pending.minted_to[pending.place.ordinal]
    return None


def buyer_asked(pending: PendingBuyer, asked: Iterable[Asked]) -> Address | None:
    """The buyer of the call that confirmed the payment; zero for none.

    A call that names a buyer without a receipt is not the one that was carried out.
    """
    found = {
        one.buyer
        for one in asked
        if isinstance(one, Confirmation)
        and (one.treasury, one.payment_id) == (pending.treasury, pending.payment_id)
        and (not pending.is_plain or one.buyer in (ZERO_ADDRESS, *pending.minted_to))
    }
    return found.pop() if len(found) == 1 else None


def campaign_asked(pending: PendingCampaign, asked: Iterable[Asked]) -> NewCampaign | None:
    """The call that created the campaign: an identifier is used once per factory."""
    found = [
        one
        for one in asked
        if isinstance(one, NewCampaign)
        and (one.factory, one.identifier_hash) == (pending.factory, pending.identifier_hash)
    ]
    return found[0] if len(found) == 1 else None


def items_detail(place: Place, source: Source, line_items: Pairs, external_fees: Pairs) -> Detail:
    """Line items and fees as a row."""
    arguments: JsonObject = {
        "line_items": _json_pairs(line_items),
        "external_fees": _json_pairs(external_fees),
    }
    return Detail(place, "line_items", source, arguments)


def buyer_detail(place: Place, source: Source, buyer: Address) -> Detail:
    """A buyer as a row; the zero address says that none was named."""
    return Detail(place, "buyer", source, {"buyer": to_hex(buyer)})


def campaign_detail(
    place: Place, source: Source, settings: NewCampaign, tokens: Sequence[Address] | None
) -> Detail:
    """A campaign's settings as a row; tokens are None where nobody can tell any more."""
    currency = settings.currency
    arguments: JsonObject = {
        "creator": to_hex(settings.creator),
        "platforms": [to_hex(one) for one in settings.platforms],
        "launch_time": str(settings.launch_time),
        "deadline": str(settings.deadline),
        "goal_amount": str(settings.goal_amount),
        "currency": None if currency is None else to_hex(currency),
        "tokens": None if tokens is None else [to_hex(one) for one in tokens],
    }
    return Detail(place, "campaign_settings", source, arguments)


def unavailable(place: Place, kind: Kind, reason: str) -> Detail:
    """That a detail cannot be found out any more, and why."""
    return Detail(place, kind, "unavailable", {"reason": reason})


def _json_pairs(pairs: Pairs) -> list[dict[str, str]]:
    return [{"type_id": to_hex(kind), "amount": str(amount)} for kind, amount in pairs]
