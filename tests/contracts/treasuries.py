"""Builders of treasuries with several tokens, line item types, or a goal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import ape
import building
import node
import world
from ape.contracts import ContractInstance
from eth_utils import keccak
from world import DAY, GOAL_GATED, PLATFORM, REAL, ZERO

ITEM_TYPES = {  # label: counts toward goal, protocol fee, refundable, instant
    "reward extra": (True, False, True, False),
    "packaging": (False, False, True, False),
    "shipping": (False, True, True, False),
    "tip": (False, True, False, False),
    "service": (False, True, False, True),
}
VIEWS = ("Raised", "AvailableRaised", "LifetimeRaised", "Refunded", "Expected")

currencies = count(1)


@dataclass(frozen=True)
class Ground:
    """A campaign, its treasury, and its tokens."""

    campaign: ContractInstance
    treasury: ContractInstance
    tokens: tuple[ContractInstance, ...]
    launch: int
    deadline: int
    gated: bool = False


def set_item_types(protocol, people) -> None:
    for label, flags in ITEM_TYPES.items():
        protocol.params.setPlatformLineItemType(
            PLATFORM, keccak(text=label), label, *flags, sender=people.platform_admin
        )


def line_item(label: str, amount: int) -> tuple[bytes, int]:
    return keccak(text=label), amount


def token_of(decimals: int, people) -> ContractInstance:
    made = building.create(people.stranger, "AnyDecimals", decimals)
    return building.at("AnyDecimals", made.contract_address)


def odd_token(people) -> ContractInstance:
    made = building.create(people.stranger, "OddToken")
    return building.at("OddToken", made.contract_address)


def lay(
    protocol,
    people,
    kind: int = building.PAYMENT_TREASURY_ID,
    tokens: tuple = (),
    *,
    gated: bool = False,
    **changes: object,
) -> Ground:
    """A new campaign in a currency of its own, launching in 100 seconds and for 30 days."""
    currency = f"CUR{next(currencies)}".encode().ljust(32, b"\0")
    for token in tokens:
        protocol.params.addTokenToCurrency(currency, token, sender=people.protocol_admin)
    start = ape.chain.pending_timestamp
    chosen = {"launch": start + 100, "deadline": start + 30 * DAY} | changes
    if gated:
        chosen |= {"keys": [GOAL_GATED], "values": [(1).to_bytes(32, "big")]}
    campaign = world.create_campaign(protocol, people, currency=currency, **chosen)
    treasury = world.create_treasury(protocol, people, campaign, kind)
    times = (chosen["launch"], chosen["deadline"])
    return Ground(campaign, treasury, tuple(tokens), *times, gated=gated)


def settlement(number: int, amount: int = REAL, buyer: str = ZERO) -> tuple:
    """The struct of settleBatch."""
    names = (keccak(text=f"{part} {number}") for part in ("payment", "buyer", "item"))
    return (*names, buyer, amount)


def figures(treasury) -> dict[str, int]:
    return {name: getattr(treasury, f"get{name}Amount")() for name in VIEWS}


def account_of(treasury, token) -> dict[str, int]:
    """What a treasury's books say of a token, read from its storage: no view tells it all."""
    layout = building.storage_layout()
    (book,) = (
        entry["slot"]
        for entry in layout["contracts"][treasury.contract_type.name]
        if entry["label"] == "_book"
    )
    (accounts,) = (
        book + entry["slot"] for entry in layout["structs"]["Book"] if entry["label"] == "accounts"
    )
    base = int.from_bytes(keccak(world.word(token.address) + world.word(accounts)), "big")
    fields = layout["structs"]["TokenAccount"]
    places = sorted({each["slot"] for each in fields})
    requests = [
        ("eth_getStorageAt", treasury.address, hex(base + place), "latest") for place in places
    ]
    words = [int(word, 16) for word in node.results(*requests)]
    return {
        each["label"]: words[each["slot"]] >> 8 * each["offset"] & (1 << int(each["type"][4:])) - 1
        for each in fields
    }
