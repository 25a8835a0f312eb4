"""Find one detail: from events if they tell, else from calldata, else by a read at that block."""

from collections.abc import Callable, Iterable

from indexer.chain.types import TxHash
from indexer.details.calldata import Asked
from indexer.details.plan import (
    Detail,
    Pending,
    PendingBuyer,
    PendingCampaign,
    PendingItems,
    Place,
    Source,
    believed,
    buyer_asked,
    buyer_detail,
    buyer_minted,
    campaign_asked,
    campaign_detail,
    items_asked,
    items_detail,
    unavailable,
)
from indexer.details.read import (
    StateReader,
    Unavailable,
    accepted_tokens,
    asked_in,
    campaign_settings,
    payment_data,
)

Platforms = Callable[[Place], Iterable[bytes]]
"""Platforms enlisted when a fact happened."""

_AskedIn = dict[TxHash, tuple[Asked, ...]]


class DetailFinder:
    """Finds details through one reader; asks for each transaction once."""

    def __init__(self, reader: StateReader, platforms: Platforms) -> None:
        self._reader = reader
        self._platforms = platforms
        self._asked: _AskedIn = {}

    def find(self, pending: Pending) -> Detail:
        """The detail that a fact lacks; ``unavailable`` where the chain has no answer.

        Raises:
            NotNow: A node refuses to tell this one for now.
            RpcUnavailable: No node answered.
        """
        match pending:
            case PendingItems():
                return self._items(pending)
            case PendingBuyer():
                return self._buyer(pending)
            case PendingCampaign():
                return self._campaign(pending)

    def _items(self, pending: PendingItems) -> Detail:
        place = pending.place
        asked = items_asked(pending, self._asked_in(place))
        if asked is not None:
            return items_detail(place, "calldata", *asked)
        found = payment_data(
            self._reader, pending.treasury, pending.announced_id, place.block_number
        )
        if isinstance(found, Unavailable):
            return unavailable(place, "line_items", found.reason)
        if (found.amount, found.token) != (pending.amount, pending.token):
            return unavailable(place, "line_items", "the contract tells of another payment")
        if not believed(pending, found.line_items, found.external_fees):
            return unavailable(place, "line_items", "the contract keeps only a hash of them")
        return items_detail(place, "read", found.line_items, found.external_fees)

    def _buyer(self, pending: PendingBuyer) -> Detail:
        place = pending.place
        minted = buyer_minted(pending)
        if not pending.minted_to and minted is not None:
            return buyer_detail(place, "event", minted)
        asked = buyer_asked(pending, self._asked_in(place))
        if asked is not None:
            return buyer_detail(place, "calldata", asked)
        if minted is not None:
            return buyer_detail(place, "event", minted)
        found = payment_data(self._reader, pending.treasury, pending.payment_id, place.block_number)
        if isinstance(found, Unavailable):
            return unavailable(place, "buyer", found.reason)
        return buyer_detail(place, "read", found.buyer)

    def _campaign(self, pending: PendingCampaign) -> Detail:
        place = pending.place
        settings = campaign_asked(pending, self._asked_in(place))
        source: Source = "calldata"
        if settings is None:
            read = campaign_settings(self._reader, pending, self._platforms(place))
            if isinstance(read, Unavailable):
                return unavailable(place, "campaign_settings", read.reason)
            settings, source = read, "read"
        tokens = accepted_tokens(self._reader, pending.campaign, place.block_number)
        return campaign_detail(place, source, settings, tokens)

    def _asked_in(self, place: Place) -> tuple[Asked, ...]:
        if place.tx_hash not in self._asked:
            self._asked[place.tx_hash] = asked_in(self._reader, place)
        return self._asked[place.tx_hash]
