"""What of a chain's settlement needs a person, and whether its payments are on their way. Pure."""

from collections.abc import Iterator
from typing import Final

from indexer.chain.networks import network_by_name
from indexer.chain.types import Address, to_checksum
from indexer.lag import LAG_BLOCKS_MAX, silence_max
from settlement.reporting.accounts import SignerStanding
from settlement.reporting.overview import Overview
from settlement.switches import account_key

STUCK_S: Final = 300
"""Seconds after which the lowest nonce should long be mined, replacements included."""
WAITING_S: Final = 900
"""Seconds after which what is ready should long be sealed: campaigns take turns, in runs."""
MENDING_S: Final = 7_200
"""Seconds after which what the process mends by itself should be mended: finality is waited for."""
RUNWAY_MIN_H: Final = 24.0
"""Hours of gas that bring the next working day into reach."""


def needing_a_person(seen: Overview) -> list[str]:
    """Everything that will not mend itself, the widest first."""
    return [
        *_halted(seen),
        *_of_index(seen),
        *(words for account in seen.signers for words in _of_account(account)),
        *_of_payments(seen),
    ]


def unready_because(seen: Overview, signer: Address) -> str | None:
    """Why this signer seals nothing now; None when it does what is due.

    Args:
        seen: How its chain stands.
        signer: The account that sends.
    """
    account = next((one for one in seen.signers if one.address == signer), None)
    if account is None:
        return "the signer has not started yet"
    if account.mode == "quarantine":
        return f"the signer is quarantined: {account.mode_reason}"
    lane = ("", str(seen.chain_id), account_key(seen.chain_id, signer))
    for switch in seen.switches:
        if switch.scope in ("global", "chain", "signer") and switch.key in lane:
            return f"stopped by {switch.set_by}: {switch.reason}"
    return next(_of_index(seen), None)


def _halted(seen: Overview) -> Iterator[str]:
    for switch in seen.switches:
        which = " ".join(part for part in (switch.scope, switch.key) if part)
        yield f"{which} is stopped by {switch.set_by}: {switch.reason}"
    for account in seen.signers:
        if account.mode == "quarantine":
            yield f"signer {to_checksum(account.address)} is quarantined: {account.mode_reason}"


def _of_index(seen: Overview) -> Iterator[str]:
    index = seen.index
    if index is None or index.indexed is None:
        if seen.signers:
            yield "nothing is indexed: without its indexer nothing is sealed"
        return
    silence_s = silence_max(network_by_name(seen.network).block_time_s).total_seconds()
    if index.degraded_reason is not None:
        yield f"the indexer has halted: {index.degraded_reason}"
    if index.lag_blocks > LAG_BLOCKS_MAX:
        yield f"the index is {index.lag_blocks} blocks behind"
    if index.seen_s > silence_s:
        yield f"the indexer has not seen the head for {index.seen_s} s"


def _of_account(account: SignerStanding) -> Iterator[str]:
    lowest = account.lowest
    if lowest is not None and lowest.age_s > STUCK_S:
        yield (
            f"nonce {lowest.nonce} ({lowest.kind}) is not mined after {lowest.age_s} s and "
            f"{lowest.attempts} attempts; the node's last word: {lowest.last_answer or 'none'}"
        )
    if account.runway_h is not None and account.runway_h < RUNWAY_MIN_H:
        yield f"{to_checksum(account.address)} has coins for {account.runway_h} hours"


def _of_payments(seen: Overview) -> Iterator[str]:
    for one in seen.stopped:
        if one.owner == "settlement process" and one.oldest_s <= MENDING_S:
            continue
        owner = "settlement on-call" if one.owner == "settlement process" else one.owner
        yield (
            f"{one.count} {one.what} {one.state} ({one.reason_class}), the oldest asked for "
            f"{one.oldest_s} s ago: the {owner} must act; {one.example}: {one.reason}"
        )
    for standing in seen.requests:
        if standing.state == "ready" and standing.oldest_s > WAITING_S:
            yield f"{standing.payments} payments are ready, the oldest for {standing.oldest_s} s"
