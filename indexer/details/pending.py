"""Which facts still lack their details, with what stored events say of them.

Left out is what lacks nothing: payments settled in one call have neither line items nor another
buyer than their event names, and no shape before abi_version 3 knew line items.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    exists,
    literal,
    select,
    tuple_,
)

from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    ChainId,
    PaymentId,
    TxHash,
    address_from_hex,
    hash_from_hex,
)
from indexer.details.plan import (
    ExtrasHashes,
    Kind,
    PendingBuyer,
    PendingCampaign,
    PendingItems,
    Place,
)
from indexer.projection_tables import campaigns
from indexer.tables import details, logs, payments_confirmed, payments_created

Fact = Row[Any]
Key = tuple[BlockNumber, int, int]
"""Where a fact stands: block, log and ordinal."""
_WITH_ITEMS = 3
"""The first abi_version whose payments may have line items."""
_OF_ONE_CALL = ("PaymentConfirmed", "PaymentBatchConfirmed")


def pending_items(
    connection: Connection,
    chain_id: ChainId,
    limit: int,
    *,
    since: BlockNumber,
    after: Key | None = None,
) -> list[PendingItems]:
    """Created payments whose line items are not known, the oldest first."""
    table = payments_created
    # Only settleBatch creates without expiration what no buyer paid: no items come with it.
    settled = and_(table.c.expiration == 0, ~table.c.is_crypto)
    wanted = _lacking(table, "line_items", chain_id, since, after).where(
        table.c.abi_version >= _WITH_ITEMS,
        ~settled,
    )
    facts = connection.execute(wanted.limit(limit)).all()
    extras = _extras(connection, chain_id, facts)
    return [
        PendingItems(
            place=_place(fact),
            treasury=Address(fact.treasury),
            announced_id=PaymentId(fact.announced_id),
            token=Address(fact.token),
            amount=fact.amount,
            extras=_nearest(extras, fact),
        )
        for fact in facts
    ]


def pending_buyers(
    connection: Connection,
    chain_id: ChainId,
    limit: int,
    *,
    since: BlockNumber,
    after: Key | None = None,
) -> list[PendingBuyer]:
    """Confirmations of which it is not known whom they name, the oldest first."""
    table, born = payments_confirmed, payments_created
    settled = exists().where(
        born.c.chain_id == table.c.chain_id,
        born.c.block_number == table.c.block_number,
        born.c.tx_hash == table.c.tx_hash,
        born.c.treasury == table.c.treasury,
        born.c.payment_id == table.c.payment_id,
        born.c.log_index < table.c.log_index,
        born.c.expiration == 0,
    )
    wanted = _lacking(table, "buyer", chain_id, since, after).where(
        table.c.event.in_(_OF_ONE_CALL), ~settled
    )
    facts = connection.execute(wanted.limit(limit)).all()
    around = _confirmed_around(connection, chain_id, facts)
    minted = _minted(connection, chain_id, facts)
    return [_buyer(fact, around, minted) for fact in facts]


def pending_campaigns(
    connection: Connection,
    chain_id: ChainId,
    limit: int,
    *,
    since: BlockNumber,
    after: Key | None = None,
) -> list[PendingCampaign]:
    """Campaigns whose settings are not known, the oldest first."""
    wanted = _lacking(campaigns, "campaign_settings", chain_id, since, after)
    rows = connection.execute(wanted.limit(limit))
    return [
        PendingCampaign(
            place=_place(fact),
            factory=Address(fact.factory),
            campaign=Address(fact.campaign),
            identifier_hash=fact.identifier_hash,
        )
        for fact in rows
    ]


def platforms_by(connection: Connection, chain_id: ChainId, at: BlockNumber) -> list[bytes]:
    """Platforms that were enlisted up to a block."""
    rows = connection.execute(
        select(logs.c.arguments)
        .where(
            logs.c.chain_id == chain_id,
            logs.c.event == "PlatformEnlisted",
            logs.c.block_number <= at,
        )
        .order_by(logs.c.block_number, logs.c.log_index)
    )
    hashes = [hash_from_hex(row.arguments["platformHash"]) for row in rows]
    return list(dict.fromkeys(hashes))


def _lacking(
    table: Table, kind: Kind, chain_id: ChainId, since: BlockNumber, after: Key | None
) -> Select[Any]:
    """Facts without their detail of one kind, from a block on, behind a fact of it or later."""
    # A column of the table where it has one: an event that states many facts numbers them.
    ordinal: ColumnElement[int] = table.c.ordinal if "ordinal" in table.c else literal(0)
    found = and_(*_same_log(details, table), details.c.ordinal == ordinal, details.c.kind == kind)
    place = (table.c.block_number, table.c.log_index, ordinal)
    lacking = (
        select(table)
        .outerjoin(details, found)
        .where(
            table.c.chain_id == chain_id,
            table.c.block_number >= since,
            details.c.chain_id.is_(None),
        )
        .order_by(*place[:2], *(place[2:] if "ordinal" in table.c else ()))
    )
    return lacking if after is None else lacking.where(tuple_(*place) > after)


def _same_log(one: Any, other: Table) -> Iterable[ColumnElement[bool]]:  # noqa: ANN401 - a table or its alias
    names = ("chain_id", "block_number", "log_index")
    return [one.c[name] == other.c[name] for name in names]


def _place(fact: Fact) -> Place:
    return Place(
        block_number=BlockNumber(fact.block_number),
        log_index=fact.log_index,
        ordinal=getattr(fact, "ordinal", 0),
        block_hash=BlockHash(fact.block_hash),
        tx_hash=TxHash(fact.tx_hash),
    )


def _logs_around(
    connection: Connection, chain_id: ChainId, facts: Sequence[Fact], event: str
) -> Sequence[Fact]:
    """Logs of one event in the blocks of some facts, in order."""
    if not facts:
        return []
    return connection.execute(
        select(logs)
        .where(
            logs.c.chain_id == chain_id,
            logs.c.event == event,
            logs.c.block_number.in_({fact.block_number for fact in facts}),
        )
        .order_by(logs.c.block_number, logs.c.log_index)
    ).all()


_Extras = dict[tuple[bytes, bytes, bytes], list[tuple[int, ExtrasHashes]]]


def _extras(connection: Connection, chain_id: ChainId, facts: Sequence[Fact]) -> _Extras:
    """By treasury, transaction and payment: what was logged of line items, and where."""
    found: _Extras = defaultdict(list)
    for log in _logs_around(connection, chain_id, facts, "PaymentExtrasRecorded"):
        says = log.arguments
        hashes = ExtrasHashes(
            hash_from_hex(says["lineItemsHash"]), hash_from_hex(says["externalFeesHash"])
        )
        key = (log.address, log.tx_hash, hash_from_hex(says["paymentId"]))
        found[key].append((log.log_index, hashes))
    return found


def _nearest(extras: _Extras, fact: Fact) -> ExtrasHashes | None:
    """The treasury logs them before the payment they belong to."""
    logged = extras.get((fact.treasury, fact.tx_hash, fact.announced_id), ())
    before = [hashes for place, hashes in logged if place < fact.log_index]
    return before[-1] if before else None


_Events = dict[tuple[bytes, bytes], dict[int, int]]
_PAID_ON_CHAIN = 0
"""In place of a count: the log is a buyer's payment, whose receipt may stand on either side."""
_Mints = dict[tuple[bytes, bytes], list[tuple[int, Address]]]


def _confirmed_around(connection: Connection, chain_id: ChainId, facts: Sequence[Fact]) -> _Events:
    """By treasury and transaction: each confirming log with how many payments it confirms."""
    table = payments_confirmed
    found: _Events = defaultdict(lambda: defaultdict(int))
    if not facts:
        return found
    rows = connection.execute(
        select(table.c.treasury, table.c.tx_hash, table.c.log_index, table.c.event).where(
            table.c.chain_id == chain_id,
            table.c.block_number.in_({fact.block_number for fact in facts}),
        )
    )
    for row in rows:
        counts = row.event in _OF_ONE_CALL
        found[row.treasury, row.tx_hash][row.log_index] += 1 if counts else _PAID_ON_CHAIN
    return found


def _minted(connection: Connection, chain_id: ChainId, facts: Sequence[Fact]) -> _Mints:
    """By treasury and transaction: the receipts minted, in order."""
    found: _Mints = defaultdict(list)
    for log in _logs_around(connection, chain_id, facts, "PledgeNFTMinted"):
        treasury = address_from_hex(log.arguments["treasury"])
        backer = address_from_hex(log.arguments["backer"])
        found[treasury, log.tx_hash].append((log.log_index, backer))
    return found


def _buyer(fact: Fact, around: _Events, minted: _Mints) -> PendingBuyer:
    """Receipts belong to the first confirming event that follows them."""
    key = (fact.treasury, fact.tx_hash)
    events = around[key]
    earlier = max((place for place in events if place < fact.log_index), default=-1)
    mints = minted.get(key, ())
    return PendingBuyer(
        place=_place(fact),
        treasury=Address(fact.treasury),
        payment_id=PaymentId(fact.payment_id),
        confirmed_count=events[fact.log_index],
        minted_to=tuple(backer for place, backer in mints if earlier < place < fact.log_index),
        is_plain=_PAID_ON_CHAIN not in events.values(),
    )
