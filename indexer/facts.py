"""What the logs of a range state: rows of the fact tables, and contracts that became known. Pure.

A log counts from the block that made its contract known, wherever in the block it stands, so that
the rows are the same however the block was fetched. Logs from before are kept unclaimed *and*
stated: a reorg that takes the contract takes those facts, and leaves the logs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from indexer.chain.types import ADDRESS_BYTES, Address, BlockNumber, ChainId
from indexer.columnar import Bytes, LogGroup, Mask, Numbers, split
from indexer.copying import CopyRows
from indexer.decode import Event, decode_log
from indexer.events import (
    CAMPAIGN_CREATED,
    EVENTS,
    PAYMENT_BATCH_CONFIRMED,
    SHAPES,
    TRANSFER,
    TREASURY_DEPLOYED,
    Emitter,
    EventType,
)
from indexer.known import KnownContracts
from indexer.layouts import Columns, decode_group, decode_hashes, has_fixed_layout
from indexer.stated import (
    confirm_batches,
    create_payments,
    keep_log,
    keep_unclaimed,
    place_of,
)
from indexer.tables import (
    payments_confirmed,
    token_transfers,
)

_NEVER = np.iinfo(np.int64).max
_ALWAYS = -1


@dataclass(slots=True)
class Facts:
    """What a range of blocks states."""

    known: KnownContracts
    """As of its last block."""
    made: Mapping[Address, BlockNumber]
    """Contracts that the range made known, and in which block."""
    rows: CopyRows = field(default_factory=CopyRows)
    kept: list[Numbers] = field(default_factory=list)
    """Block numbers of the logs that got a row."""
    claimed: list[tuple[Numbers, Numbers]] = field(default_factory=list)
    """By ``state_claimed``: block numbers and log indexes of the logs that became facts."""

    def logs_per_block(self) -> dict[BlockNumber, int]:
        """How many logs got a row, by block."""
        if not self.kept:
            return {}
        numbers, counts = np.unique(np.concatenate(self.kept), return_counts=True)
        return {
            BlockNumber(number): count
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        }


def state_facts(chain_id: ChainId, groups: Sequence[LogGroup], known: KnownContracts) -> Facts:
    """State what logs say.

    Args:
        chain_id: The chain.
        groups: The logs of a range; those without a topic of ours are passed over.
        known: As of the block before the range.
    """
    made = _discoveries(groups, known)
    facts = Facts(known.with_made(made), {address: block for address, (_, block) in made.items()})
    for group in groups:
        if group.topic0 == TRANSFER.topic0:
            _state_transfers(facts, chain_id, group)
        elif group.topic0 in EVENTS:
            _state_group(facts, chain_id, group)
    return facts


def learned(groups: Sequence[LogGroup], known: KnownContracts) -> KnownContracts:
    """What is known once these logs have been read."""
    return known.with_made(_discoveries(groups, known))


def state_claimed(chain_id: ChainId, groups: Sequence[LogGroup], known: KnownContracts) -> Facts:
    """State the logs of contracts that are known by now, though they stand before their making."""
    facts = Facts(known, {})
    for group in groups:
        event = SHAPES.get((group.topic0, group.topics.shape[1]))
        if event is not None:
            said = _said(event, group)
            is_fact = said.is_sound & (_since(facts, group.address, event.emitters) == _ALWAYS)
            claimed = group.where(is_fact)
            facts.claimed.append((claimed.block_number, claimed.log_index))
            _state(facts, chain_id, claimed, event, said.where(is_fact))
    return facts


@dataclass(frozen=True, slots=True)
class _Said:
    """What logs of one event say."""

    is_sound: Mask
    columns: Columns | None = None
    """By argument; None when they are to be decoded one by one."""

    def where(self, mask: Mask) -> "_Said":
        if self.columns is None or mask.all():
            return self
        return _Said(mask, {name: value[mask] for name, value in self.columns.items()})


def _said(event: EventType, group: LogGroup) -> _Said:
    """Decode logs, all at once where their layout allows it."""
    if event is PAYMENT_BATCH_CONFIRMED:
        hashes = decode_hashes(group)
        if hashes is not None:
            return _Said(np.ones(len(group), np.bool_), {"paymentIds": hashes})
    elif event.fact is not None and has_fixed_layout(event):
        decoded = decode_group(event, group)
        if decoded is None:
            return _Said(np.zeros(len(group), np.bool_))
        return _Said(decoded[1], decoded[0])
    return _Said(np.array([isinstance(decode_log(log), Event) for log in group.logs()], np.bool_))


def _discoveries(
    groups: Iterable[LogGroup], known: KnownContracts
) -> dict[Address, tuple[Emitter, BlockNumber]]:
    """Contracts that factories made in these logs. Only the deployment's own factories count."""
    names = {
        CAMPAIGN_CREATED.topic0: (Emitter.CAMPAIGN, "campaignInfoAddress"),
        TREASURY_DEPLOYED.topic0: (Emitter.TREASURY, "treasuryAddress"),
    }
    made: dict[Address, tuple[Emitter, BlockNumber]] = {}
    for group in groups:
        kind, argument = names.get(group.topic0, (None, ""))
        if kind is None:
            continue
        for log in group.logs():
            event = decode_log(log)
            if isinstance(event, Event) and known.claims(event):
                address = event.address_of(argument)
                if known.kind_of(address) is None:
                    first = made.get(address, (kind, log.block_number))[1]
                    made[address] = (kind, min(first, log.block_number))
    return made


def _state_group(facts: Facts, chain_id: ChainId, group: LogGroup) -> None:
    """Divide logs by whether their contract is known, and since when."""
    facts.kept.append(group.block_number)
    event = SHAPES.get((group.topic0, group.topics.shape[1]))
    if event is None:
        keep_unclaimed(facts.rows, chain_id, group)
        return
    said = _said(event, group)
    since = _since(facts, group.address, event.emitters)
    is_fact = said.is_sound & (since != _NEVER)
    if not is_fact.all():
        keep_unclaimed(facts.rows, chain_id, group.where(~is_fact))
    is_early = is_fact & (since > group.block_number)
    if is_early.any():
        keep_unclaimed(facts.rows, chain_id, group.where(is_early), since[is_early])
    _state(facts, chain_id, group.where(is_fact), event, said.where(is_fact))


def _since(facts: Facts, addresses: Bytes, emitters: frozenset[Emitter]) -> Numbers:
    """For each address, the block from which its word on the event counts."""
    seen: dict[bytes, int] = {}
    found = []
    for address in split(addresses, ADDRESS_BYTES):
        block = seen.get(address)
        if block is None:
            named = Address(address)
            is_theirs = facts.known.kind_of(named) in emitters
            block = facts.made.get(named, _ALWAYS) if is_theirs else _NEVER
            seen[address] = block
        found.append(block)
    return np.array(found, np.int64)


def _state(facts: Facts, chain_id: ChainId, group: LogGroup, event: EventType, said: _Said) -> None:
    """State sound logs of known contracts."""
    columns = said.columns
    if not len(group):
        return
    if columns is None:
        for log in group.logs():
            keep_log(facts.rows, chain_id, log)
    elif event is PAYMENT_BATCH_CONFIRMED:
        confirm_batches(facts.rows, chain_id, group, columns["paymentIds"])
    elif event.fact == "payments_confirmed":
        place = place_of(chain_id, group) | {"ordinal": 0, "treasury": group.address}
        named = {"payment_id": columns["paymentId"], "event": event.name}
        facts.rows.add_columns(payments_confirmed, place | named, len(group))
    else:
        create_payments(facts.rows, chain_id, group, event, columns)


def _state_transfers(facts: Facts, chain_id: ChainId, group: LogGroup) -> None:
    """Transfers of accepted tokens into or out of treasuries; everybody else's are passed over."""
    if SHAPES.get((group.topic0, group.topics.shape[1])) is not TRANSFER:
        return
    group = group.where(_since(facts, group.address, TRANSFER.emitters) == _ALWAYS)
    decoded = decode_group(TRANSFER, group) if len(group) else None
    if decoded is None:
        return
    columns, is_sound = decoded
    treasuries = frozenset({Emitter.TREASURY})
    touches = np.zeros(len(group), np.bool_)
    for side in ("from", "to"):
        touches |= _since(facts, columns[side], treasuries) <= group.block_number
    chosen = touches & is_sound
    group = group.where(chosen)
    facts.kept.append(group.block_number)
    values = {
        "token": group.address,
        "sender": columns["from"][chosen],
        "recipient": columns["to"][chosen],
        "amount": columns["value"][chosen],
    }
    facts.rows.add_columns(token_transfers, place_of(chain_id, group) | values, len(group))
