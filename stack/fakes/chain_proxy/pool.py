"""What public pools demand of a replacement, and anvil does not."""

import threading
from dataclasses import dataclass, field
from functools import cached_property

import rlp
from eth_account import Account
from eth_hash.auto import keccak
from rlp.exceptions import RLPException

PRICE_BUMP_PERCENT = 10
"""go-ethereum ``core/txpool/legacypool``: ``DefaultConfig.PriceBump``, demanded of both fees."""
DYNAMIC_FEE_TYPE = 0x02
NONCES_MAX = 1_024
"""Nonces remembered; a sender has far fewer in flight."""
_PLACES = (1, 3, 2)
"""Of nonce, fee cap and tip in a dynamic fee transaction."""


@dataclass(frozen=True)
class Offer:
    """A signed transaction, as a pool compares it with another of the same nonce."""

    raw: bytes = field(repr=False)
    nonce: int
    fee_cap_wei: int
    tip_cap_wei: int

    @cached_property
    def tx_hash(self) -> str:
        """What it is known by."""
        return "0x" + keccak(self.raw).hex()

    @cached_property
    def sender(self) -> str:
        """Who signed it; recovered only where two offers must be compared."""
        return str(Account.recover_transaction(self.raw))


def read_offer(raw: bytes) -> Offer | None:
    """Read a dynamic fee transaction; None for any other, and for what cannot be read."""
    if raw[:1] != bytes([DYNAMIC_FEE_TYPE]):
        return None
    try:
        fields = rlp.decode(raw[1:])
        nonce, fee_cap, tip_cap = (int.from_bytes(fields[place], "big") for place in _PLACES)
    except (RLPException, IndexError, TypeError):
        return None
    return Offer(raw, nonce, fee_cap, tip_cap)


def is_underpriced(new: Offer, old: Offer) -> bool:
    """Whether a pool that holds ``old`` refuses ``new``; both fees must rise, and by enough.

    Source: go-ethereum ``core/txpool/legacypool/list.go``, ``list.Add``.
    """
    pairs = ((new.fee_cap_wei, old.fee_cap_wei), (new.tip_cap_wei, old.tip_cap_wei))
    return any(
        offered <= held or offered < held * (100 + PRICE_BUMP_PERCENT) // 100
        for offered, held in pairs
    )


class Pool:
    """The last offer passed on for each nonce. Hold ``lock`` from asking to passing on."""

    def __init__(self) -> None:
        """Start empty."""
        self.lock = threading.Lock()
        self._held: dict[int, list[Offer]] = {}

    def rival(self, offer: Offer) -> Offer | None:
        """Another transaction of the same sender and nonce that was passed on before."""
        for held in self._held.get(offer.nonce, []):
            if held.raw != offer.raw and held.sender == offer.sender:
                return held
        return None

    def hold(self, offer: Offer) -> None:
        """Remember an offer that the node took, instead of its rival."""
        rival = self.rival(offer)
        kept = [one for one in self._held.pop(offer.nonce, []) if one not in (rival, offer)]
        self._held[offer.nonce] = [*kept, offer]
        if len(self._held) > NONCES_MAX:
            del self._held[next(iter(self._held))]

    def forget(self, offer: Offer) -> None:
        """Forget an offer that the node has no more, or that was mined."""
        self._held[offer.nonce] = [one for one in self._held[offer.nonce] if one is not offer]
